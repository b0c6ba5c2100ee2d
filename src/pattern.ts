/** Whether a word is the pattern, or begins as one that ends with `*`. For event codes and word lists alike. */
export function matchesPattern(pattern: string, word: string): boolean {
  return pattern.endsWith('*') ? word.startsWith(pattern.slice(0, -1)) : word === pattern;
}
