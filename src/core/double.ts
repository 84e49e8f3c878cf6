/**
 * Zero, for a field of an object on the path of every entry that will hold fractions or pass 2^31. V8 lays such a field out for doubles from the
 * start; from a plain 0 it would change the layout when the first came, drop all code compiled for it, and convert each object when next met.
 */
export const doubleZero = -0;
