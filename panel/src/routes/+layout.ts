// One page that runs in the browser: the API knows nothing of its routes.
export const ssr = false;
export const prerender = false;
