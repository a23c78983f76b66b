/** Tag and length of a length-delimited field with a number below 16. */
export function fieldHead(number: number, length: number): Buffer {
  const head = [number * 8 + 2];
  let rest = length;
  for (; rest >= 128; rest = Math.floor(rest / 128)) head.push((rest % 128) + 128);
  head.push(rest);
  return Buffer.from(head);
}
