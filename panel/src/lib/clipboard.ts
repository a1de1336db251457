import { m } from '$lib/messages';

/** To the clipboard, also where the page came over plain HTTP and the browser's own way is closed. Throws where nothing was copied. */
export async function toClipboard(text: string): Promise<void> {
  const done = await navigator.clipboard?.writeText(text).then(
    () => true,
    () => false
  );
  if (!done && !copied(text)) throw new Error(m.shell_copy_refused());
}

/** Copies through a hidden text area: pages that came over plain HTTP have no `navigator.clipboard`. */
function copied(text: string): boolean {
  const area = document.createElement('textarea');
  area.value = text;
  area.style.cssText = 'position:fixed;opacity:0';
  // Inside an open dialog, since the focus may not leave it.
  (document.querySelector('[role=dialog]') ?? document.body).append(area);
  area.select();
  try {
    return document.execCommand('copy');
  } finally {
    area.remove();
  }
}

const [ESCAPE, BELL] = ['\\u001b', '\\u0007'];
const SEQUENCES = new RegExp(`${ESCAPE}(?:\\[[0-?]*[ -/]*[@-~]|\\][^${BELL}${ESCAPE}]*(?:${BELL}|${ESCAPE}\\\\)|[@-Z\\\\-_])`, 'g');

/** Text of a terminal without its escape sequences. */
export const plainText = (text: string): string => text.replace(SEQUENCES, '');
