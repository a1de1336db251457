declare global {
  namespace App {
    interface Error {
      message: string;
      /** The heading of the error page, where it is not the usual one. */
      title?: string;
      /** Whether a part of the panel itself did not arrive: what was not loaded once is not asked for again by the browser. */
      broken?: boolean;
    }
  }
  interface Window {
    /** Whether what did not arrive may be asked for anew, by app.html. */
    anew(): boolean;
  }
}

export {};
