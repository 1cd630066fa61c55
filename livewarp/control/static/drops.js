// Files that are dropped on the page: a picture stands behind people from then on, a look is kept.

import { act, complain } from "/actions.js";
import { offer, say } from "/dom.js";
import { inOrder, Refused } from "/link.js";
import { word } from "/words.js";

const PICTURES = ["image/jpeg", "image/png", "image/webp"];
const UPLOAD_MS = 30_000; // a large photo is decoded and made smaller

// take(file): what becomes of a file that is no picture.
export function acceptDrops(take) {
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
      if (PICTURES.includes(file.type)) addPicture(file);
      else if (file.name.endsWith(".toml")) take(file);
      else say(word("drop.unknown", { name: file.name }), true);
    }
  });
}

async function addPicture(file) {
  say(word("drop.adding", { name: file.name }));
  try {
    const { name } = await inOrder(() => upload(file));
    act("set", { background: "picture", background_picture: name }, offer(word("drop.behind", { name })));
  } catch (error) {
    complain(error);
  }
}

async function upload(file) {
  const query = new URLSearchParams({ name: file.name.replace(/\.[^.]*$/, "") });
  const request = { method: "POST", headers: { "Content-Type": file.type }, body: file, signal: AbortSignal.timeout(UPLOAD_MS) };
  const response = await fetch(`/api/backgrounds.add?${query}`, request);
  const result = await response.json();
  if (!response.ok) throw new Refused(result.error?.message ?? word("refused", { status: response.status }));
  return result;
}
