"use strict";
// mdBook offers five themes; the book has two, light and dark.
for (const [theme, name] of [["light", "Light"], ["navy", "Dark"], ["rust"], ["coal"], ["ayu"]]) {
    const button = document.getElementById(`mdbook-theme-${theme}`);
    if (!button) continue;
    if (name) button.textContent = name;
    else button.closest("li").remove();
}
{
    // The table of contents opens by the keyboard too, and says what it is.
    const toggle = document.getElementById("mdbook-sidebar-toggle");
    toggle.setAttribute("role", "button");
    toggle.tabIndex = 0;
    toggle.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        toggle.click();
    });
    document.getElementById("mdbook-menu-bar").setAttribute("role", "banner");
    // A block of code that scrolls sideways is reached by the keyboard.
    for (const code of document.querySelectorAll("pre > code")) {
        if (code.scrollWidth > code.clientWidth) code.tabIndex = 0;
    }
}
