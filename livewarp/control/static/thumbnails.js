// Thumbnails of looks on one's own face: asked for twice a second while cards are shown, and a large one of the
// look that is tried, which lies over the preview where the face is. Nobody else sees any of it.

import { element } from "/dom.js";
import { word } from "/words.js";

const EVERY_MS = 500;
const STALE_MS = 4000; // a large one that has not been renewed for so long is not shown

export class Thumbnails {
  #wanted = false; // whether cards are seen, and there is something to see
  #timer = 0;
  #since = 0;
  #trying = null;
  #stale = 0;
  #canvases;
  #place;

  // canvases(): by look, where its thumbnail goes. place(box): where a part of the frame is on the screen, in shares of it.
  constructor(canvases, place) {
    this.#canvases = canvases;
    this.#place = place;
    document.addEventListener("visibilitychange", () => this.#plan(0));
  }

  run(wanted) {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    if (!wanted) this.clear();
    this.#plan(0);
  }

  // A look, or null: none is tried any more.
  try(look) {
    if (look === this.#trying) return;
    this.#trying = look;
    this.#hide();
    this.#plan(0);
  }

  // Thumbnails are drawn anew, as the cards are new.
  renew() {
    this.#since = 0;
  }

  clear() {
    this.#since = 0;
    this.#hide();
    for (const canvas of this.#canvases().values()) {
      canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
      canvas.removeAttribute("data-drawn");
    }
  }

  #hide() {
    element("trying").hidden = true;
    element("trying-tag").hidden = true;
  }

  #plan(after_ms) {
    clearTimeout(this.#timer);
    if (this.#wanted && !document.hidden) this.#timer = setTimeout(() => this.#ask(), after_ms);
  }

  async #ask() {
    const trying = this.#trying;
    try {
      const query = new URLSearchParams({ since: this.#since, ...(trying === null ? {} : { trying }) });
      const response = await fetch(`/thumbnails?${query}`, { signal: AbortSignal.timeout(5000) });
      if (response.ok) await this.#show(new Uint8Array(await response.arrayBuffer()));
    } catch {
      // no connection, or a damaged answer: the next one replaces it
    }
    this.#plan(EVERY_MS);
  }

  async #show(bytes) {
    const end = bytes.indexOf(10);
    let at = end + 1;
    for (const { look, bytes: length, number, box, trying } of JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)))) {
      const jpeg = bytes.slice(at, at + length);
      at += length;
      const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
      if (this.#wanted) {
        if (!trying) this.#draw(this.#canvases().get(look), bitmap);
        else if (look === this.#trying) this.#lay(look, bitmap, box);
        this.#since = Math.max(this.#since, number);
      }
      bitmap.close();
    }
  }

  #draw(canvas, bitmap) {
    if (!canvas) return;
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    canvas.setAttribute("data-drawn", "");
  }

  #lay(look, bitmap, box) {
    const canvas = element("trying");
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    const [left, top, width, height] = this.#place(box);
    Object.assign(canvas.style, { left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * width}%`, height: `${100 * height}%` });
    canvas.hidden = false;
    element("trying-tag").textContent = word("looks.trying", { name: look });
    element("trying-tag").hidden = false;
    clearTimeout(this.#stale);
    this.#stale = setTimeout(() => this.#hide(), STALE_MS);
  }
}
