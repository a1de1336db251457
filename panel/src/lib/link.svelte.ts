// Whether the API is heard: what is shown may be old while it isn't.

/** Shorter absences are nobody's business, in milliseconds. */
const GRACE = 2_500;

/** `live` = all is told as it happens; `polled` = the API answers, but the live connection is away; `lost` = it does not answer. */
type State = 'live' | 'polled' | 'lost';

class Link {
  state = $state<State>('live');
  private timer: ReturnType<typeof setTimeout> | null = null;

  /** The live connection is lost. */
  missed(grace = GRACE) {
    this.timer ??= setTimeout(() => this.state === 'live' && (this.state = 'lost'), grace);
  }

  /** Without the live connection, the API does or does not answer. */
  asked(answers: boolean) {
    if (this.timer && this.state !== 'live') this.state = answers ? 'polled' : 'lost';
  }

  found() {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.state = 'live';
  }
}

export const link = new Link();
