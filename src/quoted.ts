const SHOWN = 64

/**
 * Untrusted text as an error message shows it: in quotes, on one line, control and other unprintable
 * characters escaped, cut after 64 characters.
 */
export function quoted(value: unknown): string {
  const text = typeof value === 'string' ? value : String(value)
  const shown = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text
  return JSON.stringify(shown).replace(
    /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
