/** `{name}`, `{name:number}`, `{name:boolean}` or `{name:base64}` in a producer's template. */
export const placeholder = /\{([A-Za-z_][\w.-]*)(?::(number|boolean|base64))?\}/g;
