import { describe, expect, it } from 'vitest';
import { complaint } from './checks';

const field = { type: 'text', min: '', max: '', maxLength: -1, minLength: -1, title: '', validationMessage: 'the browser’s words' };

describe('what a field lacks', () => {
  it('is said with what to do', () => {
    expect(complaint({ ...field, type: 'number', min: '0', max: '100', validity: { rangeOverflow: true } })).toBe(
      'Enter a whole number from 0 to 100.'
    );
    expect(complaint({ ...field, type: 'number', min: '1', validity: { valueMissing: true } })).toBe('Enter a whole number of at least 1.');
    expect(complaint({ ...field, type: 'number', validity: { badInput: true } })).toBe('Enter a whole number.');
    expect(complaint({ ...field, validity: { valueMissing: true } })).toBe('This field is required.');
    expect(complaint({ ...field, type: 'select-one', validity: { valueMissing: true } })).toBe('Select an option.');
    expect(complaint({ ...field, type: 'email', validity: { typeMismatch: true } })).toBe(
      'Enter an email address, such as name@example.com.'
    );
    expect(complaint({ ...field, maxLength: 100, validity: { tooLong: true } })).toBe('Use at most 100 characters.');
    expect(complaint({ ...field, title: 'Letters only', validity: { patternMismatch: true } })).toBe('Letters only');
  });
});
