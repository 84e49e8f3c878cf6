/** Zero, for a field that passes 2^31 or holds fractions: V8 lays it out for doubles from the start. Where it must change the layout later, it drops all code compiled for it. */
export const doubleZero = -0;
