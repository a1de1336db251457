// One question at a time, before what can't be undone.
export interface Question {
  title: string;
  /** A sentence that names what will be deleted for good. */
  lost: string;
  verb: string;
  /** To be typed first, where much is lost. */
  name?: string;
  run: () => Promise<unknown>;
}

class Confirm {
  now = $state.raw<Question | null>(null);
  open = $state(false);

  ask(question: Question) {
    this.now = question;
    this.open = true;
  }
}

export const confirm = new Confirm();
