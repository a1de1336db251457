// Which hosts can run something now, asked again until one can.
import { ask, listDaemons, words, type Daemon } from '$lib/api';
import { session } from '$lib/session.svelte';

/** Milliseconds between two questions while no host is ready. */
const EVERY = 3_000;

export const isReady = (daemon: Daemon): boolean =>
  daemon.connection.state === 'online' && !!daemon.system?.docker_version && !daemon.maintenance;

export class Hosts {
  /** null until they are known, and for those who may not see them. */
  all = $state.raw<Daemon[] | null>(null);
  failed = $state<string | null>(null);
  /** Whether there is an answer, or nothing to ask. */
  asked = $derived(this.all !== null || this.failed !== null || !session.can('daemons.read'));
  ready = $derived((this.all ?? []).filter(isReady));

  /** Asks until a host is ready. To be given back to `onMount`. */
  follow(): () => void {
    if (!session.can('daemons.read')) return () => {};
    let timer: ReturnType<typeof setTimeout> | undefined;
    let over = false;
    const look = async () => {
      await this.load();
      if (!over && this.ready.length === 0) timer = setTimeout(look, EVERY);
    };
    void look();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }

  async load() {
    try {
      this.all = (await ask(listDaemons())).items;
      this.failed = null;
    } catch (reason) {
      this.failed = words(reason);
    }
  }
}
