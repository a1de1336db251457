// Light or dark: what the person chose, else what the system says.
export type Choice = 'system' | 'light' | 'dark';

class Theme {
  choice = $state<Choice>('system');
  dark = $state(false);

  private apply() {
    this.dark = this.choice === 'dark' || (this.choice === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
    document.documentElement.dataset.theme = this.dark ? 'dark' : 'light';
  }

  start() {
    this.choice = (localStorage.getItem('theme') as Choice | null) ?? 'system';
    this.apply();
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.apply());
  }

  choose(choice: Choice) {
    this.choice = choice;
    localStorage.setItem('theme', choice);
    this.apply();
  }
}

export const theme = new Theme();
