// Files that are dropped on the page: a picture stands behind people or is drawn on faces, a look is kept.

import { act, complain } from "/actions.js";
import { offer, say } from "/dom.js";
import { inOrder, upload } from "/link.js";
import { word } from "/words.js";

const PICTURES = ["image/jpeg", "image/png", "image/webp"];

// take(file): what becomes of a file that is no picture. draw(file, target): takes a picture that is meant for it, and says so.
export function acceptDrops(take, draw) {
  document.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    document.body.toggleAttribute("data-drop", true);
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget ?? document.body.removeAttribute("data-drop"));
  document.addEventListener("drop", (event) => {
    document.body.removeAttribute("data-drop");
    const files = [...event.dataTransfer.files];
    if (!files.length) return;
    event.preventDefault();
    for (const file of files) {
      if (PICTURES.includes(file.type)) draw(file, event.target) || addPicture(file);
      else if (file.name.endsWith(".toml")) take(file);
      else say(word("drop.unknown", { name: file.name }), true);
    }
  });
}

async function addPicture(file) {
  say(word("drop.adding", { name: file.name }));
  try {
    const { name } = await inOrder(() => upload("backgrounds.add", { name: file.name.replace(/\.[^.]*$/, "") }, file));
    act("set", { background: "picture", background_picture: name }, offer(word("drop.behind", { name })));
  } catch (error) {
    complain(error);
  }
}
