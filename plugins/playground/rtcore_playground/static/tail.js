/** The end of a list that grows: in sight for as long as whoever looks has not scrolled away from it. */

/** Pixels from the end that still count as the end. */
const NEAR = 60;

export class Tail {
  #follows = true;

  /** @param {HTMLElement} list */
  constructor(list) {
    this.list = list;
    list.addEventListener("scroll", () => {
      // A list that is not shown has no height, and nobody has scrolled it.
      if (list.clientHeight) this.#follows = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR;
    });
    new ResizeObserver(() => this.grown()).observe(list);
  }

  /** There is more, or it is shown again. */
  grown() {
    if (this.#follows) this.list.scrollTop = this.list.scrollHeight;
  }
}
