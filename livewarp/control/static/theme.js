// Before anything is drawn: the theme that was chosen in this browser; without a choice, the system's.
"use strict";
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("livewarp.theme");
  } catch {
    // storage is forbidden: the system's colours
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
