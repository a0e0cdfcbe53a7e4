/*
 * The ways in which drivers tell I/O control codes apart. Each function takes a stack location's address, as a dispatch
 * routine finds it, and answers an NTSTATUS. SWITCH picks one; build.sh compiles each with several compilers.
 */
typedef struct { char before[0x18]; unsigned IoControlCode; } STACK;
#define CTL_CODE(t, f, m, a) (((t) << 16) | ((a) << 14) | ((f) << 2) | (m))
#define INVALID 0xC0000010u

volatile unsigned seen;

static __attribute__((noinline)) unsigned handle(unsigned n) { seen += n; return 0; }

#if SWITCH == 1 /* dense: a jump table */
unsigned dispatch(STACK *s) {
    switch (s->IoControlCode) {
    case 0x222000: return handle(1);
    case 0x222004: seen = 2; return 2;
    case 0x222008: return handle(3) + 9;
    case 0x22200C: seen = 11; return 1;
    case 0x222010: return handle(17) + 3;
    case 0x22201C: seen = 6; return 1;
    default: return INVALID;
    }
}
#elif SWITCH == 2 /* sparse: a search tree */
unsigned dispatch(STACK *s) {
    switch (s->IoControlCode) {
    case 0x222003: return handle(1);
    case 0x9C402004: seen = 2; return 2;
    case 0x9C406008: return handle(3) + 9;
    case 0x9C40A00C: seen = 11; return 1;
    case 0x22C010: return handle(17) + 3;
    case 0x70000: seen = 6; return 1;
    case 0x4D0008: seen = 7; return 1;
    case 0xFFFF3FFC: seen = 8; return 4;
    default: return INVALID;
    }
}
#elif SWITCH == 3 /* both: several clusters */
unsigned dispatch(STACK *s) {
    switch (s->IoControlCode) {
    case 0x80002000: seen = 1; return 1;
    case 0x80002004: seen = 2; return handle(2);
    case 0x80002008: seen = 3; return 3;
    case 0x8000200C: seen = 4; return handle(4);
    case 0x80002010: seen = 5; return 5;
    case 0x80002014: seen = 6; return handle(5);
    case 0x2D1400: seen = 7; return 9;
    case 0x2D1080: seen = 8; return 8;
    case 0x70140: seen = 9; return handle(9);
    case 0x7405C: seen = 10; return 10;
    case 0x56000: seen = 11; return 11;
    case 0x8000E013: seen = 12; return 12;
    case 0x8000E017: seen = 13; return 13;
    case 0x8000E01B: seen = 14; return 14;
    case 0x8000E01F: seen = 15; return 15;
    }
    seen = 99;
    return INVALID;
}
#elif SWITCH == 4 /* a chain of ifs with the code in a global */
static volatile unsigned latest;
unsigned dispatch(STACK *s) {
    unsigned code = s->IoControlCode;
    latest = code;
    if (code == CTL_CODE(0x8E00, 0x801, 0, 0)) return handle(1);
    if (latest == CTL_CODE(0x8E00, 0x842, 1, 2)) return handle(2) + 1;
    if (code == CTL_CODE(0x8E00, 0x9A3, 2, 1) && seen != 77) return handle(3) + 2;
    if (!(code != CTL_CODE(0x8E00, 0xB04, 3, 0))) return handle(4) + 3;
    return INVALID;
}
#elif SWITCH == 5 /* groups that share their answer: ranges, masks, bit tests */
unsigned dispatch(STACK *s) {
    switch (s->IoControlCode - 0x222000) {
    case 0: case 1: case 2: case 3: return handle(1);
    case 7: case 9: case 12: case 14: case 22: return handle(2) + 1;
    case 40: case 44: return handle(3) + 2;
    default: return INVALID;
    }
}
#elif SWITCH == 6 /* handlers indexed by function number */
static unsigned h0(void) { return handle(1); }
static unsigned h1(void) { return handle(2) + 1; }
static unsigned h2(void) { return handle(3) + 2; }
static unsigned (*const handlers[4])(void) = { h0, h1, 0, h2 };
unsigned dispatch(STACK *s) {
    unsigned code = s->IoControlCode, n = ((code >> 2) & 0xFFF) - 0x800;
    if (code >> 16 != 0x8000 || n >= 4 || !handlers[n]) return INVALID;
    return handlers[n]();
}
#elif SWITCH == 7 /* a table that is searched */
static const struct { unsigned code, answer; } table[] = {
    { 0x9C402400, 1 }, { 0x9C402404, 2 }, { 0x9C40240B, 3 }, { 0x9C40E410, 4 },
};
unsigned dispatch(STACK *s) {
    for (unsigned i = 0; i < 4; i++)
        if (table[i].code == s->IoControlCode) return handle(table[i].answer);
    return INVALID;
}
#elif SWITCH == 8 /* part by part */
unsigned dispatch(STACK *s) {
    unsigned code = s->IoControlCode;
    unsigned short function = (code >> 2) & 0xFFF;
    if ((unsigned short)(code >> 16) != 0x8337) return INVALID;
    if ((code & 3) == 3) return 0xC000000D;
    switch (function) {
    case 0x900: return handle(1);
    case 0x901: return handle(2) + 1;
    case 0xA55: return handle(3) + 2;
    }
    return INVALID;
}
#elif SWITCH == 9 /* only the answers differ: a table of values */
unsigned dispatch(STACK *s) {
    switch (s->IoControlCode) {
    case 0x222400: return 0;
    case 0x222404: return 0x103;
    case 0x222408: return 0x80000005;
    case 0x22240C: return 0xC0000023;
    case 0x222414: return 0x40000000;
    default: return INVALID;
    }
}
#elif SWITCH == 10 /* two levels: a byte table and a table of targets, as MSVC does it */
unsigned dispatch(STACK *s) {
    __label__ a, b, c, d;
    static const unsigned char level[24] = { 0,3,3,3,1,3,3,3,2,3,3,3,3,3,3,3,0,3,3,3,3,3,3,2 };
    static const int target[4] = { 0, &&b - &&a, &&c - &&a, &&d - &&a };
    unsigned n = s->IoControlCode - 0x0022E004;
    if (n > 23) goto d;
    goto *(&&a + target[level[n]]);
a:  return handle(1);
b:  return handle(2) + 1;
c:  return handle(3) + 2;
d:  return INVALID;
}
#elif SWITCH == 11 /* bytes swapped, rotated, negated */
unsigned dispatch(STACK *s) {
    unsigned code = s->IoControlCode;
    if (__builtin_bswap32(code) == 0x00202200) return handle(1);
    if (((code << 30) | (code >> 2)) == 0x00088801) return handle(2) + 1;
    if (~code == ~0x222008u) return handle(3) + 2;
    if ((code ^ 0x5A5A5A5A) + 7 == (0x22200Cu ^ 0x5A5A5A5A) + 7) return handle(4) + 3;
    return INVALID;
}
#endif
