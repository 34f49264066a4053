"use strict";
// mdBook offers five themes; the book has two, light and dark.
for (const [theme, name] of [["light", "Light"], ["navy", "Dark"], ["rust"], ["coal"], ["ayu"]]) {
    const button = document.getElementById(`mdbook-theme-${theme}`);
    if (!button) continue;
    if (name) button.textContent = name;
    else button.closest("li").remove();
}
