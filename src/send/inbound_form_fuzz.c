/* inbound_form_fuzz.c - any letter as the form that a URL gets. The first byte: how. */
#include <stdio.h>

#include "base/fuzz.h"
#include "inbound_i.h"
#include "mail/mime.h"

/* Of chance in a call: here of the input, so that no input holds its own. */
static char boundary[64];

static struct slice line_of(const char *before, const char *after)
{
    static char text[2][80];
    static int turn;
    turn = !turn;
    snprintf(text[turn], sizeof text[turn], "%s--%s%s", before, boundary, after);
    return sl_cstr(text[turn]);
}

/* The form is one of so many parts as its boundary says, each with a name, and nothing of the letter is taken
 * for a header of its own. */
static void check(struct slice form)
{
    struct slice rest = form, end = line_of("", "--\r\n"), begin = line_of("", "\r\n");
    char text[80];
    size_t parts = 0;
    snprintf(text, sizeof text, "\r\n--%s", boundary);
    struct slice between = sl_cstr(text);
    ASSERT(sl_ends(form, end));
    while (!sl_eq(rest, end)) {
        static const struct slice head = SL_INIT("Content-Disposition: form-data; name=\"");
        ASSERT(sl_starts(rest, begin));
        rest = sl_from(rest, begin.n);
        ASSERT(sl_starts(rest, head));
        size_t head_end = sl_find(rest, SL("\r\n\r\n"));
        ASSERT(head_end != SL_NONE);
        struct slice lines = sl_sub(rest, 0, head_end), line;
        for (size_t n = 0; sl_next(&lines, '\n', &line); n++)
            ASSERT(n == 0 ? sl_starts(line, head) : n == 1 && sl_starts(line, SL("Content-Type: ")));
        rest =
            sl_from(rest, head_end + 2); /* an empty body has the line end of the head before its boundary */
        size_t next = sl_find(rest, between);
        ASSERT(next != SL_NONE);
        rest = sl_from(rest, next + 2);
        parts++;
    }
    ASSERT(parts >= 5);
}

FUZZ
{
    if (!input.n) return;
    snprintf(boundary, sizeof boundary, "----tram%016llx", (unsigned long long)sl_hash(input));
    struct slice text = sl_from(input, 1);
    size_t most = INBOUND_FORM_TIMES * text.n + INBOUND_FORM_MORE;
    struct buf out = {.cap = most};
    struct inbound_letter in = {.text = text,
                                .from = SL("a@one.test"),
                                .to = SL("b@two.test"),
                                .hostname = SL("mail.one.test"),
                                .boundary = sl_cstr(boundary),
                                .raw = input.p[0] & 1,
                                .spam_check = input.p[0] & 2,
                                .junk = input.p[0] & 4};
    inbound_form(&out, &in);
    ASSERT(out.n <= most);
    if (!out.over) check(buf_slice(&out));
    buf_free(&out);
}
