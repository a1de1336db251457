// The sixteen colours of the console: the same in both themes, since it is dark in both.
import type { ITheme } from '@xterm/xterm';

export const shade = (): ITheme => ({
  background: '#00000000',
  foreground: '#dfe4e6',
  cursor: '#00000000',
  selectionBackground: '#3b6f78',
  black: '#3a4245',
  red: '#f07b72',
  green: '#7fd08a',
  yellow: '#e0bf6b',
  blue: '#79b0f2',
  magenta: '#cf9bea',
  cyan: '#62cbc4',
  white: '#c9d0d2',
  brightBlack: '#8a979b',
  brightRed: '#ff9d94',
  brightGreen: '#a0e6a8',
  brightYellow: '#f2d68c',
  brightBlue: '#a3cbff',
  brightMagenta: '#e3bdf6',
  brightCyan: '#8fe6e0',
  brightWhite: '#ffffff'
});
