// Panes that scroll can be reached by keyboard, and only those that do: a stop that does nothing is in the way.
import type { Attachment } from 'svelte/attachments';

export const scrollable: Attachment<HTMLElement> = (node) => {
  const look = () => {
    if (node.scrollHeight > node.clientHeight || node.scrollWidth > node.clientWidth) node.tabIndex = 0;
    else if (node !== document.activeElement) node.removeAttribute('tabindex');
  };
  const size = new ResizeObserver(look);
  const content = new MutationObserver(look);
  size.observe(node);
  content.observe(node, { childList: true, characterData: true, subtree: true });
  look();
  return () => {
    size.disconnect();
    content.disconnect();
  };
};
