/** Saves what an address gives as a file. */
export function download(url: string) {
  // Not by going there: where that begins, Firefox and WebKit close what is open to the API, also if it ends as a download.
  const anchor = Object.assign(document.createElement('a'), { href: url, download: '' });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}
