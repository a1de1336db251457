// What a field lacks before anything is sent, said below it in the panel's words instead of in the browser's own bubble.

export type Field = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;
type Asked = Pick<HTMLInputElement, 'type' | 'min' | 'max' | 'maxLength' | 'minLength' | 'title'> & { validity: Partial<ValidityState>; validationMessage: string };

/** Why this can't be sent as it is. */
export function complaint({ validity, type, min, max, maxLength, minLength, title, validationMessage }: Asked): string {
  const number = type === 'number';
  if (validity.badInput || validity.stepMismatch || validity.rangeOverflow || validity.rangeUnderflow || (validity.valueMissing && number)) {
    const what = number ? 'Enter a whole number' : 'Enter a value';
    if (min && max) return `${what} from ${min} to ${max}.`;
    if (min) return `${what} of at least ${min}.`;
    return max ? `${what} of at most ${max}.` : `${what}.`;
  }
  if (validity.valueMissing) return type.startsWith('select') || type === 'radio' ? 'Choose one.' : type === 'checkbox' ? 'Tick this to go on.' : 'Fill this in.';
  if (validity.typeMismatch && type === 'email') return 'Enter an email address, such as name@example.com.';
  if (validity.typeMismatch && type === 'url') return 'Enter a whole address, such as https://example.com.';
  if (validity.tooLong) return `At most ${maxLength} characters.`;
  if (validity.tooShort) return `At least ${minLength} characters.`;
  return title || validationMessage;
}

const said = new WeakMap<Field, HTMLElement>();
let last = 0;

function forget(field: Field) {
  said.get(field)?.remove();
  said.delete(field);
  field.removeAttribute('aria-invalid');
  field.removeAttribute('aria-errormessage');
}

/** For the `invalid` event of any field. */
export function invalid(event: Event) {
  const field = event.target as Field;
  event.preventDefault();
  // In something folded it could not have the focus.
  for (let fold = field.closest('details'); fold; fold = fold.parentElement?.closest('details') ?? null) fold.open = true;
  forget(field);
  const words = document.createElement('p');
  words.className = 'wrong';
  words.role = 'alert';
  words.id = `complaint-${++last}`;
  words.textContent = complaint(field as Asked);
  // Below what lies over the field, such as its unit.
  (field.parentElement?.matches('.relative, label') ? field.parentElement : field).after(words);
  said.set(field, words);
  field.setAttribute('aria-invalid', 'true');
  field.setAttribute('aria-errormessage', words.id);
  field.addEventListener('input', () => forget(field), { once: true });
  field.addEventListener('change', () => forget(field), { once: true });
  const first = [...(field.form?.elements ?? [])].find((one) => 'validity' in one && one.matches('input, select, textarea') && !(one as Field).validity.valid);
  if (first !== field) return;
  field.focus({ preventScroll: true });
  // With its label, and not below the header that stays.
  field.scrollIntoView({ block: 'center' });
}
