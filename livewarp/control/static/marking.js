// A picture on which the key points of a face are marked, one after the other: by clicks or keys, with zoom and undo.

import { clamp, element, title } from "/dom.js";
import { word, WORDS } from "/words.js";

const MAX_SHOWN = 2048; // px of the longer side: more is not seen, and a phone has no room for it
const MAX_ZOOM = 12;
const ZOOM_STEP = 1.4;
const STEP = 8; // px of the screen that an arrow moves the cross
// Those that place a face best come first; then the others, as the daemon tells them.
const FIRST = [
  "right_eye_outer", "right_eye_inner", "left_eye_inner", "left_eye_outer", "nose_tip", "right_mouth_corner", "left_mouth_corner", "chin",
  "right_ear", "left_ear", "right_jaw", "left_jaw",
];
// Lines of the small face, through points.
const LINES = [
  ["right_ear", "right_jaw", "chin", "left_jaw", "left_ear"],
  ["right_brow_outer", "right_brow_middle", "right_brow_inner"],
  ["left_brow_inner", "left_brow_middle", "left_brow_outer"],
  ["right_eye_outer", "right_eye_inner"],
  ["left_eye_inner", "left_eye_outer"],
  ["nose_root", "nose_tip"],
  ["right_nostril", "nose_base", "left_nostril"],
  ["right_mouth_corner", "upper_lip", "left_mouth_corner", "lower_lip", "right_mouth_corner"],
];

const called = (name) => WORDS[`point.${name}`] ?? title(name);

function draw(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

export class Marking {
  #least;
  #order;
  #points = new Map(); // name -> [x, y], shares of the picture
  #done = []; // names in their order: those that were marked or passed over
  #chosen = null; // a point that was asked for out of turn
  #size = [1, 1];
  #zoom = 1;
  #cross = [0.5, 0.5];
  #changed;

  // changed(): a point came or went.
  constructor(changed) {
    this.#changed = changed;
    const sheet = element("sheet");
    sheet.addEventListener("click", (event) => event.target.closest("#stage") && !event.target.closest("li") && this.#put(this.#under(event)));
    sheet.addEventListener("keydown", (event) => this.#press(event));
    sheet.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.#zoomTo(this.#zoom * Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
    });
    new ResizeObserver(() => this.#fit()).observe(sheet);
    element("mark-undo").addEventListener("click", () => this.undo());
    element("mark-skip").addEventListener("click", () => this.skip());
    element("zoom-in").addEventListener("click", () => this.#zoomTo(this.#zoom * ZOOM_STEP));
    element("zoom-out").addEventListener("click", () => this.#zoomTo(this.#zoom / ZOOM_STEP));
    element("zoom-fit").addEventListener("click", () => this.#zoomTo(1));
  }

  // bitmap: upright; it is closed. told: {least, points} of the daemon.
  start(bitmap, told) {
    this.#least = told.least;
    const places = new Map(told.points.map(({ name, x, y }) => [name, [x, y]]));
    this.#order = [...FIRST.filter((name) => places.has(name)), ...[...places.keys()].filter((name) => !FIRST.includes(name))];
    this.#size = [bitmap.width, bitmap.height];
    const share = Math.min(1, MAX_SHOWN / Math.max(...this.#size));
    const canvas = element("stage").querySelector("canvas");
    canvas.width = Math.max(1, Math.round(bitmap.width * share));
    canvas.height = Math.max(1, Math.round(bitmap.height * share));
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    this.#points.clear();
    this.#done = [];
    this.#chosen = null;
    this.#cross = [0.5, 0.5];
    this.#zoom = 1;
    this.#drawFace(places);
    this.#fit();
    this.#show();
  }

  get enough() {
    return this.#points.size >= this.#least;
  }

  // {name: [x, y]}, px of the picture, from the middle of its first.
  get points() {
    const [width, height] = this.#size;
    const px = ([x, y]) => [Math.round((x * width - 0.5) * 10) / 10, Math.round((y * height - 0.5) * 10) / 10];
    return Object.fromEntries([...this.#points].map(([name, at]) => [name, px(at)]));
  }

  undo() {
    const name = this.#done.pop();
    if (!name) return;
    this.#points.delete(name);
    this.#chosen = null;
    this.#show();
  }

  skip() {
    if (!this.#next) return;
    if (!this.#points.has(this.#next)) this.#done.push(this.#next);
    this.#chosen = null;
    this.#show();
  }

  get #next() {
    return this.#chosen ?? this.#order.find((name) => !this.#done.includes(name)) ?? null;
  }

  #put(at) {
    const name = this.#next;
    if (!name) return;
    this.#points.set(name, at);
    this.#done = [...this.#done.filter((other) => other !== name), name];
    this.#chosen = null;
    this.#cross = at;
    this.#show();
  }

  // Where a pointer is on the picture, in shares of it.
  #under(event) {
    const box = element("stage").getBoundingClientRect();
    return [clamp((event.clientX - box.left) / box.width, 0, 1), clamp((event.clientY - box.top) / box.height, 0, 1)];
  }

  #press(event) {
    const step = event.shiftKey ? 1 : STEP;
    const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    const undoing = event.key === "Backspace" || event.key === "Delete" || ((event.ctrlKey || event.metaKey) && event.key === "z");
    if (move) this.#moveCross(move);
    else if (undoing) this.undo();
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.key === "Enter" || event.key === " ") this.#put(this.#cross);
    else if (event.key === "+" || event.key === "=") this.#zoomTo(this.#zoom * ZOOM_STEP);
    else if (event.key === "-") this.#zoomTo(this.#zoom / ZOOM_STEP);
    else if (event.key === "0") this.#zoomTo(1);
    else if (event.key === "n") this.skip();
    else return;
    event.preventDefault();
  }

  #moveCross([right, down]) {
    const box = element("stage").getBoundingClientRect();
    const [x, y] = this.#cross;
    this.#cross = [clamp(x + right / box.width, 0, 1), clamp(y + down / box.height, 0, 1)];
    this.#place(element("cross"), this.#cross);
    element("cross").scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  // Around a place of the screen; where none is given, around the cross.
  #zoomTo(zoom, x, y) {
    const sheet = element("sheet");
    const box = element("stage").getBoundingClientRect();
    const at = x === undefined ? this.#cross : this.#under({ clientX: x, clientY: y });
    const to = x === undefined ? [box.left + at[0] * box.width, box.top + at[1] * box.height] : [x, y];
    this.#zoom = clamp(zoom, 1, MAX_ZOOM);
    this.#fit();
    const now = element("stage").getBoundingClientRect();
    sheet.scrollLeft += now.left + at[0] * now.width - to[0];
    sheet.scrollTop += now.top + at[1] * now.height - to[1];
  }

  #fit() {
    const sheet = element("sheet");
    const [width, height] = this.#size;
    const scale = Math.min(sheet.clientWidth / width, sheet.clientHeight / height) * this.#zoom;
    element("stage").style.width = `${width * scale}px`;
    element("stage").style.height = `${height * scale}px`;
  }

  #place(mark, [x, y]) {
    mark.style.left = `${100 * x}%`;
    mark.style.top = `${100 * y}%`;
  }

  #show() {
    element("marks").replaceChildren(...[...this.#points].map(([name, at]) => this.#mark(name, at)));
    this.#place(element("cross"), this.#cross);
    const next = this.#next;
    for (const dot of element("small-face").querySelectorAll("circle")) {
      const name = dot.dataset.point;
      dot.setAttribute("class", name === next ? "next" : this.#points.has(name) ? "put" : "");
      dot.setAttribute("r", name === next ? 0.075 : 0.045);
    }
    element("mark-next").textContent = next ? called(next) : word("texture.all");
    const left = this.#least - this.#points.size;
    element("mark-count").textContent = word(left > 0 ? "texture.left" : "texture.enough", { n: this.#points.size, left, least: this.#least });
    element("mark-undo").disabled = !this.#done.length;
    element("mark-skip").disabled = !next;
    this.#changed();
  }

  // A mark that can be dragged to where it belongs.
  #mark(name, at) {
    const mark = document.createElement("li");
    mark.title = called(name);
    mark.dataset.point = name;
    this.#place(mark, at);
    mark.addEventListener("pointerdown", (event) => mark.setPointerCapture(event.pointerId));
    mark.addEventListener("pointermove", (event) => {
      if (!mark.hasPointerCapture(event.pointerId)) return;
      this.#points.set(name, this.#under(event));
      this.#place(mark, this.#points.get(name));
    });
    return mark;
  }

  #drawFace(places) {
    const lines = LINES.map((names) => names.map((name) => places.get(name)).filter(Boolean));
    const dots = [...places].map(([name, [cx, cy]]) => {
      const dot = draw("circle", { cx, cy, r: 0.045, "data-point": name });
      dot.append(draw("title", {}));
      dot.firstChild.textContent = called(name);
      dot.addEventListener("click", () => {
        this.#chosen = name;
        this.#show();
      });
      return dot;
    });
    element("small-face").replaceChildren(...lines.map((points) => draw("polyline", { points: points.join(" ") })), ...dots);
  }
}
