// A field that a page is all about has the focus when the page opens. SvelteKit moves the focus to the page after it has
// navigated, unless an element with this attribute asks for it.
import type { Attachment } from 'svelte/attachments';

export const focused: Attachment<HTMLElement> = (node) => {
  node.setAttribute('autofocus', '');
  node.focus();
};
