// Every word that the panel itself says, so that it can be translated: this file alone has to be replaced.
// What knobs are called, do and end in comes from the daemon, with their keywords.

export const WORDS = {
  // the bar
  "skip": "Skip to the controls",
  "state.connecting": "Connecting",
  "state.lost": "Not connected",
  "source": "Source",
  "source.none": "no source",
  "source.portrait": "Demo portrait",
  "source.title": "Source: {name}",
  "source.switching": "Switching to {name}",
  "outputs": "Outputs",
  "outputs.none": "no output",
  "outputs.null": "Preview only",
  "outputs.idle": "not in use",
  "theme.dark": "Dark colours",
  "theme.light": "Light colours",
  "more": "More",
  "restarted": "livewarp was restarted",
  "reload": "Reload config.toml",
  "reload.detail": "Takes over what has changed there",
  "reload.restart": "Needs a restart: {names}",
  "reload.done": "Reloaded: {names}",
  "reload.nothing": "Nothing has changed in config.toml",
  "stream": "Open the bare stream",
  "stream.detail": "For OBS and the like",

  // the steps towards a call, and the webcam
  "steps": "Steps towards a call",
  "steps.done": "done",
  "steps.open": "not yet",
  "steps.copy": "Copy",
  "steps.copied": "Copied: {command}",
  "steps.close": "Hide",
  "webcam": "Webcam controls",
  "webcam.detail": "Exposure, focus, white balance …",
  "webcam.none": "No webcam is used",
  "webcam.automatic": "automatic, by {name}",
  "webcam.reset": "Reset",
  "webcam.done": "Done",

  // notices
  "notices": "What needs you",
  "problems": "Problems",
  "lost": "No connection to livewarp.",
  "lost.text": "Trying again every second; `livewarp run` starts it.",
  "lost.retry": "Try now",
  "lost.answer": "livewarp does not answer",
  "lost.ended": "it has ended",
  "lost.silent": "it says nothing any more",
  "refused": "livewarp answers with {status}",
  "noscript": "The panel needs JavaScript; livewarp get and livewarp set do the same in a terminal.",

  "problem.copy": "Copy this problem",
  "problem.copied": "Copied",
  "problem.not.copied": "This browser does not let the page copy",
  "problem.away": "Put this problem away",
  "problem.do": "Do that",
  "problem.done": "Done",

  // the picture
  "preview": "Preview",
  "preview.after": "Live preview of what the outputs get",
  "preview.before": "The picture before the filter",
  "preview.waiting": "Waiting for a picture",
  "preview.gone": "No connection to livewarp",
  "preview.crowded": "The preview runs in two other windows",
  "divider": "Before and after divider",
  "divider.at": "{percent} % before",
  "before": "Before",
  "after": "After",
  "switches": "Picture switches",
  "bypass": "Bypass",
  "bypass.help": "Send the picture as it came",
  "bypass.badge": "Bypassed: unfiltered",
  "freeze": "Freeze",
  "freeze.help": "Hold the last picture",
  "freeze.badge": "Frozen: the outputs get a still",
  "blank": "Blank",
  "blank.help": "Show the privacy picture, and nothing of the camera",
  "blank.badge": "Blanked: the outputs get the privacy picture",
  "mirror": "Mirror",
  "mirror.help": "Mirror the picture, left for right",
  "overlay": "Landmarks",
  "overlay.help": "Draw landmarks, ids and confidence",
  "split": "Compare",
  "split.help": "Before and after, with a divider to drag; \\ held shows before",
  "side": "Side by side",
  "side.help": "Before and after beside each other",
  "zoom": "Zoom",
  "zoom.help": "Zoom to the face; programs get the whole picture",

  // figures
  "figures": "Speed",
  "figures.line": "{fps} frames a second · {ms} ms · {faces} · CPU {cpu} %",
  "figures.faces.0": "no face",
  "figures.faces.1": "1 face",
  "figures.faces.n": "{n} faces",
  "figures.p50": "Frame time p50",
  "figures.p50.help": "From capture to the outputs: half of the frames of the last 20 s took less",
  "figures.p99": "p99",
  "figures.p99.help": "From capture to the outputs: one frame in a hundred took longer",
  "figures.budget": "Budget",
  "figures.budget.help": "1 / frame rate: a frame that takes longer is late",
  "figures.fps": "Frames a second",
  "figures.plot.time": "Frame time over the last minute",
  "figures.plot.fps": "Frames a second over the last minute",
  "figures.faces": "Faces",
  "figures.late": "Late",
  "figures.dropped": "Dropped",
  "figures.cpu": "CPU",
  "figures.cpu.help": "Of one core",
  "figures.memory": "Memory",

  // the controls
  "controls": "Adjustments",
  "search": "Search looks and adjustments",
  "search.short": "Search: big eyes, lips, blur …",
  "search.results": "Search results",
  "search.found.1": "1 found",
  "search.found.n": "{n} found",
  "search.near": "Nothing is called “{query}”. Near it:",
  "search.none": "Nothing is like “{query}”. Try a part of the face, “skin” or “background”.",
  "tabs": "Kinds of adjustments",
  "tab.looks": "Looks",
  "tab.shape": "Shape",
  "tab.skin": "Skin & make-up",
  "tab.hair": "Hair & age",
  "tab.background": "Background",
  "tab.picture": "Picture",
  "tab.more": "More",
  "tab.favourites": "Favourites",
  "tab.changed": "Changed",
  "favourites.none": "The star beside an adjustment puts it here.",
  "changed.none": "Everything is as your settings say.",
  "changed.n": "{n} changed",
  "reset": "Reset",
  "reset.one": "Reset {name}",
  "reset.to": "Back to {value}",
  "reset.all": "Reset all",
  "star.on": "Add {name} to the favourites",
  "star.off": "Remove {name} from the favourites",
  "hint": "Point at an adjustment to read what it does.",
  "hint.number": "Shift is fine, a double-click or Delete resets.",
  "hint.delete": "Delete resets.",
  "number.label": "{name}, value",
  "number.unit": "{name}, value in {unit}",
  "number.limited": "{percent} % at work",
  "number.limited.help": "Others pull at the same place: more would fold the picture, so {percent} % of this is at work",
  "colour.label": "{name}, as #rrggbb",
  "colour.swatch": "{name}: {colour}",
  "colour.swatches": "{name}: swatches",
  "on": "on",
  "off": "off",

  // looks
  "looks": "Looks",
  "looks.save": "Save",
  "looks.save.as": "Save as…",
  "looks.manage": "Manage {name}",
  "looks.replace": "Replace by what is set now",
  "looks.replaced": "Replaced “{name}”",
  "looks.rename": "Rename…",
  "looks.delete": "Delete",
  "looks.save.title": "Save this look",
  "looks.save.text": "All adjustments as they are now, under a name.",
  "looks.saved": "Saved as “{name}”",
  "looks.rename.title": "Rename “{name}”",
  "looks.rename.done": "Rename",
  "looks.renamed": "“{name}” is now “{to}”",
  "looks.deleted": "Deleted “{name}”",

  "looks.edited": "edited",
  "looks.trying": "Trying “{name}”: only you see it",
  "looks.update": "Update",
  "looks.revert": "Revert",
  "looks.reverted": "“{name}” is as it was saved",
  "looks.on": "“{name}” is on",
  "looks.export": "Export as a file",
  "looks.exported": "Exported “{name}”",
  "looks.import": "Import a look…",
  "looks.import.detail": "A file that was exported, here or elsewhere",
  "looks.imported": "Imported “{name}”",

  // files that are dropped
  "drop.adding": "Adding {name} …",
  "drop.behind": "“{name}” is behind you",
  "drop.unknown": "{name} is neither a picture (JPEG, PNG, WebP) nor a look (.toml)",

  // undo
  "undo": "Undo",
  "undo.help": "Undo (Ctrl+Z)",
  "redo": "Redo",
  "redo.help": "Redo (Ctrl+Shift+Z)",
  "undo.done": "Undone: {names}",
  "redo.done": "Done again: {names}",
  "reset.done": "Reset",

  // keys
  "keys": "Keyboard",
  "keys.detail": "What each key does",
  "keys.close": "Close",
  "keys.search": "Search",
  "keys.first": "From the search to the first that was found",
  "keys.leave": "Leave the search, close what is open",
  "keys.tab": "Go to a tab",
  "keys.step": "Move a slider a step",
  "keys.leap": "Move it ten steps",
  "keys.fine": "Held: a tenth of a step, also with mouse and wheel",
  "keys.reset": "Reset what has the focus",
  "keys.undo": "Undo",
  "keys.redo": "Redo",
  "keys.save": "Save this look",
  "keys.before": "Held: the picture before the filter",
  "keys.compare": "Compare before and after",
  "keys.zoom": "Zoom to the face",
  "keys.blank": "Blank: the privacy picture",
  "keys.sheet": "This sheet",

  // the dialog
  "ask.name": "Name",
  "ask.cancel": "Cancel",
  "ask.needed": "A name is needed.",
};

// Tabs, and the groups of knobs that stand in each; a group that none names stands in the last.
export const TABS = [
  { name: "shape", groups: ["face", "head", "eyes", "brows", "nose", "mouth"] },
  { name: "skin", groups: ["skin", "makeup", "make-up", "make_up", "lips", "own"] },
  { name: "hair", groups: ["hair", "age"] },
  { name: "background", groups: ["background"] },
  { name: "picture", groups: ["picture", "light", "framing", "filter"] },
];

// Words that mean the same to who searches; keywords of single knobs stand with the knobs.
export const SYNONYMS = [
  ["big", "large", "huge", "enlarge", "grow", "larger"],
  ["small", "little", "tiny", "shrink"],
  ["slim", "thin", "narrow", "skinny", "slender"],
  ["wide", "broad"],
  ["fat", "chubby", "full", "plump"],
  ["long", "tall"],
  ["old", "age", "aged", "elderly", "grandma", "grandpa", "senior"],
  ["young", "youth", "teenager"],
  ["brow", "eyebrow"],
  ["lash", "eyelash"],
  ["lip", "mouth"],
  ["tooth", "teeth"],
  ["forehead", "hairline"],
  ["line", "wrinkle", "crease", "fold"],
  ["spot", "pimple", "blemish", "acne", "zit", "mole"],
  ["smooth", "soft", "soften", "flawless", "airbrush"],
  ["bright", "light", "lighten", "white", "whiten"],
  ["dark", "tan", "brown"],
  ["red", "rosy", "pink", "blush"],
  ["grey", "gray", "silver"],
  ["colour", "color", "dye", "tint"],
  ["makeup", "cosmetic", "lipstick", "eyeshadow", "eyeliner", "mascara"],
  ["background", "backdrop", "room", "wall"],
  ["blur", "bokeh", "unsharp"],
  ["picture", "image", "photo", "wallpaper"],
  ["mirror", "flip", "reverse"],
  ["privacy", "hide", "cover"],
  ["tired", "bag", "circle", "rested"],
  ["smile", "happy", "grin"],
];

// Words that say nothing about what is searched for.
export const EMPTY = ["a", "an", "and", "i", "in", "is", "less", "look", "make", "me", "more", "my", "of", "on", "the", "to", "want", "with"];

// What the looks of livewarp are like, for who searches.
export const LOOKS = {
  natural: "subtle everyday light",
  slim: "thin narrow face v line lose weight",
  doll: "big eyes cute anime small nose barbie",
  sculpted: "cheekbones jaw model contour strong",
  fresh: "awake rested morning skin tired",
  studio: "broadcast television interview smooth skin make-up",
  office: "work meeting day subtle make-up",
  evening: "party dinner date red lips make-up",
  stage: "theatre show strong make-up",
  grandparent: "old age wrinkles elderly grandma grandpa",
};

// Colours to pick from, by the group of the knob.
export const SWATCHES = {
  background: ["#3c4a52", "#1f2937", "#e7e5e4", "#ffffff", "#7c9082", "#c9ada7", "#00b140"],
  hair: ["#1b1512", "#3b2417", "#6a4327", "#a8743f", "#d9b66b", "#8f2d1d", "#b9b7b4", "#3d5a99", "#b0458e"],
  other: ["#b4343a", "#d05a6b", "#c77d6b", "#8c3b4a", "#e39aa4", "#7a4a3a", "#4a3b36", "#1f1b1c", "#6a5acd"],
};

export function word(key, values = {}) {
  const text = WORDS[key];
  if (text === undefined) throw new Error(`the panel has no word for ${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// "one" for 1, "n" for others (and "0" where the table has it).
export function counted(key, n) {
  const exact = `${key}.${n}`;
  return word(exact in WORDS ? exact : `${key}.n`, { n });
}

// Writes the words that the page names: data-word is its text, data-word-x its attribute x.
export function fill(root) {
  for (const place of root.querySelectorAll("[data-word]")) place.textContent = word(place.dataset.word);
  for (const attribute of ["aria-label", "title", "placeholder"]) {
    for (const place of root.querySelectorAll(`[data-${attribute}]`)) {
      place.setAttribute(attribute, word(place.getAttribute(`data-${attribute}`)));
    }
  }
}
