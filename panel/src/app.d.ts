declare global {
  namespace App {
    interface Error {
      message: string;
      /** The heading of the error page, where it is not the usual one. */
      title?: string;
    }
  }
  interface Window {
    /** Whether what did not arrive may be asked for anew, by app.html. */
    anew(): boolean;
  }
}

export {};
