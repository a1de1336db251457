// A field that a page is all about has the focus when the page opens.
import type { Attachment } from 'svelte/attachments';

export const focused: Attachment<HTMLElement> = (node) => node.focus();
