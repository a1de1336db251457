// Who is signed in, and what they may do. Visibility comes from permissions, never from the name of a role.
import { goto } from '$app/navigation';
import { page } from '$app/state';
import { ask, getAccount, onSignedOut, Refusal, signOut, type Account, type SystemPermission } from './api';

class Session {
  private held = $state<Account | null>(null);

  get account() {
    return this.held;
  }
  set account(account) {
    this.held = account;
    try {
      // For the next visit: app.html chooses by it what is loaded first. It gives no rights.
      if (account) localStorage.setItem('signed-in', 'true');
      else localStorage.removeItem('signed-in');
    } catch {
      // A browser that keeps nothing loads more than it needs.
    }
  }

  constructor() {
    onSignedOut(() => {
      if (!this.account) return;
      this.account = null;
      void this.toSignIn();
    });
  }

  /** Reads the account; null when nobody is signed in. */
  async load(): Promise<Account | null> {
    try {
      this.account = await ask(getAccount());
    } catch (error) {
      if (!(error instanceof Refusal && error.status === 401)) throw error;
      this.account = null;
    }
    return this.account;
  }

  /** Where the sign-in page is that leads back to this address. */
  door({ pathname, search }: Pick<URL, 'pathname' | 'search'>): string {
    return pathname === '/' ? '/sign-in' : `/sign-in?next=${encodeURIComponent(pathname + search)}`;
  }

  /** To the sign-in page, and back here afterwards. */
  toSignIn() {
    return goto(this.door(page.url));
  }

  /** Whether the role holds this permission. */
  can(permission: SystemPermission): boolean {
    const held = this.account?.permissions ?? [];
    return held.includes('*') || held.includes(permission);
  }

  async end() {
    await ask(signOut()).catch(() => {});
    this.account = null;
    await goto('/sign-in');
  }
}

export const session = new Session();
