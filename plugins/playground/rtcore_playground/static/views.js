/** Parts of the page on a small screen: one at a time, chosen at the bottom. On a large one all are there. */

import { by } from "./dom.js";

export class Views {
  constructor() {
    const buttons = [...by("views", HTMLElement).querySelectorAll("button")];
    for (const button of buttons)
      button.addEventListener("click", () => {
        document.body.dataset.view = button.dataset.view;
        for (const one of buttons) {
          if (one === button) one.setAttribute("aria-current", "true");
          else one.removeAttribute("aria-current");
        }
        scrollTo(0, 0);
      });
  }
}
