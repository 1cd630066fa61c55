// The dialog that makes a texture of a picture: its key points are marked, it is added, and drawn on the face at once.

import { act, complain } from "/actions.js";
import { element, make, offer, say } from "/dom.js";
import { call, change, inOrder, upload } from "/link.js";
import { Marking } from "/marking.js";
import { openMenu } from "/menu.js";
import { ask } from "/question.js";
import { word } from "/words.js";

const AMOUNT = 0.8; // that a new texture is drawn with
const BLENDS = ["both", "shade", "paint"];

let file = null;
let told = null; // {least, max_bytes, max_pixels, points} of the daemon
let taken = []; // the textures that there are
let changed = () => {}; // (parameter, or null): there is another texture, or one less

const marking = new Marking(showReady);
const shown = () => element("texture").open;

// As the daemon names the parameter.
const parameterOf = (name) => name.toLowerCase().replace(/[ -]+/g, "_");

// then(parameter, or null): a texture was added, or one was removed.
export function haveTextures(then) {
  changed = then;
  for (const blend of BLENDS) {
    const radio = make("input", { type: "radio", name: "blend", value: blend });
    radio.checked = blend === BLENDS[0];
    radio.addEventListener("change", () => (element("blend-help").textContent = word(`texture.${blend}.help`)));
    element("blends").append(make("label", {}, radio, make("span", {}, word(`texture.${blend}`))));
  }
  element("blend-help").textContent = word(`texture.${BLENDS[0]}.help`);
}

// Whether a picture that is dropped there is meant as a texture.
export const wantsDrop = (target) => shown() || (!element("own").hidden && Boolean(target.closest?.("#controls")));

export async function openTexture(picture = null) {
  try {
    [told, { textures: taken }] = await Promise.all([call("textures.points"), call("textures.list")]);
  } catch (error) {
    complain(error);
    return;
  }
  element("texture-error").textContent = "";
  if (!shown()) {
    file = null;
    element("texture").removeAttribute("data-picture");
    element("texture-name").value = "";
    element("texture").showModal();
  }
  showReady();
  if (picture) await take(picture);
  else if (!file) element("texture-pick").focus();
}

async function take(picture) {
  try {
    if (picture.size > told.max_bytes) throw new Error(word("texture.large"));
    const bitmap = await createImageBitmap(picture);
    if (bitmap.width * bitmap.height > told.max_pixels) throw new Error(word("texture.large"));
    file = picture;
    element("texture-error").textContent = "";
    element("texture").toggleAttribute("data-picture", true);
    marking.start(bitmap, told);
    if (!element("texture-name").value) element("texture-name").value = nameOf(picture.name);
    showReady();
    element("sheet").focus();
  } catch (error) {
    element("texture-error").textContent = error instanceof DOMException ? word("texture.damaged", { name: picture.name }) : error.message;
  }
}

// A name that a texture may have, after a file's.
const nameOf = (text) => text.replace(/\.[^.]*$/, "").replace(/[^A-Za-z0-9 _-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 40).replace(/[ -]+$/, "");

function showReady() {
  const name = element("texture-name").value.trim();
  element("texture-add").disabled = !(file && marking.enough && name);
  const own = taken.some(({ parameter }) => parameter === parameterOf(name));
  element("texture-replace").hidden = !own;
  if (!own) element("replace").checked = false;
}

async function add() {
  const name = element("texture-name").value.trim();
  const query = { name, blend: document.querySelector("[name=blend]:checked").value, points: JSON.stringify(marking.points) };
  if (element("replace").checked) query.replace = "1";
  element("texture-error").textContent = "";
  element("texture-add").disabled = true;
  try {
    const { parameter } = await inOrder(() => upload("textures.add", query, file));
    element("texture").close();
    await act("set", { [parameter]: AMOUNT }, offer(word("texture.added", { name })));
    changed(parameter);
  } catch (error) {
    element("texture-error").textContent = error.message;
  } finally {
    showReady();
  }
}

async function manage() {
  try {
    const { textures } = await call("textures.list");
    const item = ({ name }) => ({ label: name, detail: word("texture.remove"), risky: true, run: () => remove(name) });
    openMenu(element("own-manage"), textures.length ? textures.map(item) : [word("texture.none")]);
  } catch (error) {
    complain(error);
  }
}

function remove(name) {
  ask({
    title: word("texture.remove.title", { name }),
    text: word("texture.remove.text"),
    done: word("texture.remove"),
    danger: true,
    run: async () => {
      await change("textures.remove", { name });
      say(word("texture.removed", { name }));
      changed(null);
    },
  });
}

element("own-add").addEventListener("click", () => openTexture());
element("own-manage").addEventListener("click", manage);
element("texture-pick").addEventListener("click", () => element("texture-file").click());
element("texture-other").addEventListener("click", () => element("texture-file").click());
element("texture-file").addEventListener("change", ({ target }) => {
  const [picture] = target.files;
  target.value = ""; // the same file may be chosen again
  if (picture) take(picture);
});
element("texture-name").addEventListener("input", showReady);
element("texture-cancel").addEventListener("click", () => element("texture").close());
element("texture-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!element("texture-add").disabled) add();
});
