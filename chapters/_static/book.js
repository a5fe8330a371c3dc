// Opened from disk, a page may not fetch another one: search results then come without excerpts.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// Paper is white: print in light colours, whatever the screen shows.
let shownTheme;
addEventListener("beforeprint", () => {
  shownTheme = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
});
addEventListener("afterprint", () => {
  document.documentElement.dataset.theme = shownTheme;
});
