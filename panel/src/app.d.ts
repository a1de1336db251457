declare global {
  namespace App {}
  interface Window {
    /** Whether what did not arrive may be asked for anew, by app.html. */
    anew(): boolean;
  }
}

export {};
