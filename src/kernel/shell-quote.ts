/**
 * One word of a command line, quoted where a POSIX shell would otherwise change it (POSIX.1-2017, Shell
 * Command Language, section 2.2.2), so that a printed command can be pasted.
 */
export function shellQuote(word: string): string {
  if (/^[A-Za-z0-9_@%+:,./-][A-Za-z0-9_@%+=:,./-]*$/.test(word)) return word
  return `'${word.replaceAll("'", `'\\''`)}'`
}
