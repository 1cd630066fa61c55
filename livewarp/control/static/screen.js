// The screen: JPEGs of the preview, from a stream that runs only while the page is visible, on canvases.
//
// With the split, one JPEG brings both halves (before above after), so that they are always of the
// same frame; where there is nothing to compare (blanked, frozen), it brings the one that is sent.

import { clamp, element, write } from "/dom.js";
import { word } from "/words.js";

const RETRY_MS = 1000;
const WHOLE = [0, 0, 1, 1];
const ROOM = 1.9; // heights of the landmarks' box that the zoomed picture is high
const STILL = 0.12; // of the part that is shown: the face may move this far in it
const EASE_MS = 160; // in which two thirds of the way to a new part are gone
const STALE_MS = 2000; // a frame that has stayed this long is not live
// A browser has six connections to a server for all its windows, and each visible one takes one for
// events: with two previews, three windows leave one for changes.
const SEATS = ["livewarp preview 1", "livewarp preview 2"];

// Takes one of the seats for a preview; returns the function that gives it back, or null where none is free.
async function takeSeat() {
  if (!navigator.locks) return () => {};
  for (const seat of SEATS) {
    const leave = await new Promise((resolve, reject) => {
      navigator.locks.request(seat, { ifAvailable: true }, (lock) =>
        lock ? new Promise((done) => resolve(done)) : resolve(null),
      ).catch(reject);
    });
    if (leave) return leave;
  }
  return null;
}

// The parts of a multipart stream: {jpeg, halves} each.
async function* parts(reader) {
  let bytes = new Uint8Array(0);
  const decoder = new TextDecoder();
  for (;;) {
    const end = headEnd(bytes);
    const head = end < 0 ? "" : decoder.decode(bytes.subarray(0, end));
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? NaN);
    if (end >= 0 && !(length >= 0)) throw new Error("not the stream of a preview");
    if (end >= 0 && bytes.length >= end + length) {
      yield { jpeg: bytes.slice(end, end + length), halves: /^livewarp-halves: *2/im.test(head) ? 2 : 1 };
      bytes = bytes.slice(end + length);
      continue;
    }
    const { done, value } = await reader.read();
    if (done) return;
    const joined = new Uint8Array(bytes.length + value.length);
    joined.set(bytes);
    joined.set(value, bytes.length);
    bytes = joined;
  }
}

// Where the empty line after a part's head ends; -1: it has not come yet.
function headEnd(bytes) {
  const limit = Math.min(bytes.length, 1024);
  for (let i = 3; i < limit; i++) {
    if (bytes[i] === 10 && bytes[i - 1] === 13 && bytes[i - 2] === 10 && bytes[i - 3] === 13) return i + 1;
  }
  return -1;
}

export class Screen {
  #controller = null;
  #seat = null; // a promise of the function that gives it back, while the page shows the preview
  #crowded = false; // whether other windows have all the seats
  #retry = 0;
  #stale = 0;
  #newest = null; // yet to be drawn
  #drawing = false;
  #wanted = false; // whether there is a daemon
  #split = false;
  #mirrored = false;
  #peeking = false;
  #zoomed = false;
  #target = WHOLE; // the part of the frame that is shown, in shares of it: [left, top, width, height]
  #part = WHOLE; // on its way there
  #eased = 0; // when it moved last
  #veil = "";

  constructor() {
    document.addEventListener("visibilitychange", () => this.#restart());
    addEventListener("pagehide", () => {
      this.#stop();
      this.#leave();
    });
    this.#makeDivider();
  }

  // wanted: whether there is a daemon to show; text: stands in the place of frames.
  run(wanted, text = "") {
    this.#veil = text;
    if (wanted !== this.#wanted) {
      this.#wanted = wanted;
      this.#restart();
    }
    if (!wanted) this.#cover(text);
  }

  // text: stands there while no frame comes.
  explain(text) {
    this.#veil = text;
    if (element("screen").dataset.picture !== "live" && !this.#crowded) write("veil", text);
  }

  split(on) {
    if (on === this.#split) return;
    this.#split = on;
    if (!this.#peeking) this.#restart();
  }

  // Shows the whole frame as it came, for as long as it is on.
  peek(on) {
    if (on === this.#peeking) return;
    this.#peeking = on;
    element("screen").toggleAttribute("data-peek", on);
    if (!this.#split) this.#restart();
  }

  zoom(on) {
    this.#zoomed = on;
    if (!on) this.#target = WHOLE;
  }

  // faces: as the daemon reports them; size: of the frame, px. Keeps the largest in view.
  look(faces, size) {
    if (!this.#zoomed || !size?.length) return;
    const [face] = faces.toSorted((a, b) => b.box[3] - b.box[1] - (a.box[3] - a.box[1]));
    if (!face) return; // where it was
    const [width, height] = size;
    const [x0, y0, x1, y1] = face.box;
    const share = clamp((ROOM * Math.max(x1 - x0, y1 - y0)) / height, 0.2, 1);
    const middle = (x0 + x1) / 2 / width;
    const left = clamp((this.#mirrored ? 1 - middle : middle) - share / 2, 0, 1 - share);
    const top = clamp((y0 + y1) / 2 / height - share * 0.56, 0, 1 - share);
    const moved = Math.max(Math.abs(left - this.#target[0]), Math.abs(top - this.#target[1]), Math.abs(share - this.#target[2]));
    if (moved > STILL * share) this.#target = [left, top, share, share]; // small motions do not move the picture
  }

  // Where a part of the frame is on the screen, both in shares.
  place([left, top, width, height]) {
    const [x, y, w, h] = this.#part;
    return [(left - x) / w, (top - y) / h, width / w, height / h];
  }

  // The half before the filter comes unmirrored; it is mirrored here when the other half is.
  mirror(on) {
    this.#mirrored = on;
  }

  mark(mode, text) {
    element("screen").dataset.mode = mode;
    element("badge").hidden = !text;
    write("badge", text);
  }

  #restart() {
    this.#stop();
    if (this.#wanted && !document.hidden) this.#play();
    else this.#leave();
  }

  #leave() {
    this.#seat?.then((leave) => leave?.());
    this.#seat = null;
    this.#crowded = false;
  }

  #stop() {
    clearTimeout(this.#retry);
    clearTimeout(this.#stale);
    this.#controller?.abort();
    this.#controller = null;
    this.#newest = null;
  }

  async #play() {
    const controller = new AbortController();
    this.#controller = controller;
    this.#watchOver();
    this.#seat ??= takeSeat().catch(() => () => {}); // without locks, nothing limits the windows
    if (!(await this.#seat)) {
      if (controller !== this.#controller) return;
      this.#seat = null;
      this.#crowded = true;
      clearTimeout(this.#stale);
      this.#cover(word("preview.crowded"));
      this.#retry = setTimeout(() => this.#restart(), RETRY_MS);
      return;
    }
    if (controller !== this.#controller) return;
    this.#crowded = false;
    try {
      const path = this.#split || this.#peeking ? "/split.mjpeg" : "/preview.mjpeg";
      const response = await fetch(path, { signal: controller.signal });
      if (!response.ok) throw new Error(`the preview answers with ${response.status}`);
      for await (const part of parts(response.body.getReader())) {
        if (controller !== this.#controller) return;
        this.#newest = part;
        this.#draw();
      }
    } catch {
      controller.abort(); // ends a stream that makes no sense, too
    }
    if (controller !== this.#controller) return;
    this.#cover(this.#veil);
    this.#retry = setTimeout(() => this.#restart(), RETRY_MS);
  }

  // The newest only: a slow browser shows fewer frames, not older ones.
  async #draw() {
    if (this.#drawing) return;
    this.#drawing = true;
    try {
      while (this.#newest) {
        const { jpeg, halves } = this.#newest;
        const controller = this.#controller;
        this.#newest = null;
        const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
        if (controller === this.#controller && controller) this.#paint(bitmap, halves);
        bitmap.close();
      }
    } catch {
      // a damaged JPEG; the next one replaces it
    } finally {
      this.#drawing = false;
    }
  }

  #paint(bitmap, halves) {
    const screen = element("screen");
    const width = bitmap.width;
    const height = bitmap.height / halves;
    const both = (this.#split || this.#peeking) && halves === 2;
    this.#ease();
    const [left, top, wide, high] = this.#part;
    for (const id of both ? ["after", "before"] : ["after"]) {
      const canvas = element(id);
      if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
        screen.style.setProperty("--ratio", width / height);
      }
      const before = id === "before";
      const context = canvas.getContext("2d", { alpha: false });
      const turned = before && this.#mirrored;
      context.setTransform(turned ? -1 : 1, 0, 0, 1, turned ? width : 0, 0);
      const x = (turned ? 1 - left - wide : left) * width;
      const y = (before ? 0 : (halves - 1) * height) + top * height;
      context.drawImage(bitmap, x, y, wide * width, high * height, 0, 0, width, height);
    }
    element("before").hidden = element("divider").hidden = !both;
    screen.toggleAttribute("data-split", both);
    screen.dataset.picture = "live";
    this.#watchOver();
  }

  // A step towards the part that is to be shown; at once where less motion is wished.
  #ease() {
    const now = performance.now();
    const gone = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1 : 1 - Math.exp((this.#eased - now) / EASE_MS);
    this.#eased = now;
    this.#part = this.#part.map((at, i) => (Math.abs(this.#target[i] - at) < 0.001 ? this.#target[i] : at + (this.#target[i] - at) * gone));
  }

  #watchOver() {
    clearTimeout(this.#stale);
    this.#stale = setTimeout(() => this.#cover(this.#veil), STALE_MS);
  }

  // A frame that stays would look like a live one.
  #cover(text) {
    const screen = element("screen");
    screen.dataset.picture = screen.dataset.picture === "none" ? "none" : "old";
    write("veil", text || word("preview.waiting"));
  }

  #makeDivider() {
    const divider = element("divider");
    const screen = element("screen");
    let at = 0.5;
    const move = (to) => {
      at = clamp(to, 0, 1);
      screen.style.setProperty("--split", at);
      divider.setAttribute("aria-valuenow", Math.round(at * 100));
      divider.setAttribute("aria-valuetext", word("divider.at", { percent: Math.round(at * 100) }));
    };
    const drag = (event) => {
      const box = screen.getBoundingClientRect();
      move((event.clientX - box.left) / box.width);
    };
    divider.addEventListener("pointerdown", (event) => {
      divider.setPointerCapture(event.pointerId);
      divider.focus();
    });
    divider.addEventListener("pointermove", (event) => divider.hasPointerCapture(event.pointerId) && drag(event));
    divider.addEventListener("dblclick", () => move(0.5));
    divider.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? 0.1 : 0.02;
      const to = {
        ArrowLeft: at - step, ArrowDown: at - step, ArrowRight: at + step, ArrowUp: at + step,
        PageDown: at - 0.1, PageUp: at + 0.1, Home: 0, End: 1, Delete: 0.5, Backspace: 0.5,
      }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      move(to);
    });
    move(0.5);
  }
}
