/* tree.c - JSON weighed before it is parsed. */
#include "tree.h"

/* What jansson 2.14 and the C library take for each, rounded up (tree_test.c counts). */
enum {
    OBJECT = 240, /* with its first buckets */
    LIST = 144,   /* with its first places */
    STRING = 96,  /* besides its bytes; or the name of a member */
    MEMBER = 96,  /* its place in the object, buckets that grow */
    ELEMENT = 64, /* a number, its place in the list */
};

/* Behind the quote that ends the string which begins before p. */
static const char *past_string(const char *p, const char *end)
{
    for (; p < end && *p != '"'; p++)
        if (*p == '\\') p++;
    return p < end ? p + 1 : end;
}

int json_weigh(struct slice text, size_t *bytes)
{
    size_t depth = 0, most = 0, n = 2 * text.n;
    for (const char *p = text.p, *end = p + text.n; p < end;) {
        switch (*p++) {
        case '{': n += OBJECT, depth++; break;
        case '[': n += LIST, depth++; break;
        case '}':
        case ']': depth -= depth > 0; break;
        case '"': n += STRING, p = past_string(p, end); break;
        case ':': n += MEMBER; break;
        case ',': n += ELEMENT; break;
        }
        if (depth > most) most = depth;
    }
    *bytes = n + ELEMENT;
    if (most <= JSON_DEPTH_MAX) return 0;
    return err_set(ERR_TOO_LONG, "the JSON is nested more than %d deep", JSON_DEPTH_MAX);
}

int json_parse(struct slice text, json_t **out)
{
    json_error_t why;
    *out = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &why);
    return *out ? 0 : err_set(ERR_SYNTAX, "the text is no JSON: %s, at byte %d", why.text, why.position);
}

int json_read(struct slice text, size_t most, json_t **out)
{
    size_t bytes;
    *out = NULL;
    int e = json_weigh(text, &bytes);
    if (!e && bytes > most)
        e = err_set(ERR_TOO_LONG,
                    "the JSON holds too much: it would take %zu bytes of memory, and may take %zu", bytes,
                    most);
    return e ? e : json_parse(text, out);
}
