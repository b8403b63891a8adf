/* answer_fuzz.c - header sections that a server made up: what is kept of them is bounded, and of one answer.
 */
#include "base/fuzz.h"
#include "fetch_i.h"

static void read_lines(struct fetch_head *h, struct slice text)
{
    struct slice line;
    while (sl_next(&text, '\n', &line) && fetch_head_line(h, line)) continue;
}

static void judge(const struct fetch_answer *out)
{
    ASSERT(out->nfield <= FETCH_HEAD_MAX / 2);
    for (size_t i = 0; i < out->nfield; i++) {
        struct slice name = out->field[i].name, value = out->field[i].value;
        ASSERT(name.n && sl_chr(name, ':') == SL_NONE && sl_eq(value, sl_trim(value)));
        ASSERT(sl_chr(name, '\n') == SL_NONE && sl_chr(value, '\n') == SL_NONE);
    }
    ASSERT(sl_chr(out->type, ';') == SL_NONE && sl_eq(out->type, sl_trim(out->type)));
}

FUZZ
{
    struct arena a = {0};
    struct fetch_answer alone = {0}, last = {0};
    struct fetch_head h = {.a = &a, .out = &alone};
    read_lines(&h, input);
    fetch_head_end(&a, &alone);
    h = (struct fetch_head){.a = &a, .out = &last};
    read_lines(&h, SL("HTTP/1.1 100 Continue\r\nContent-Type: a/b\r\nX: y\r\n\r\n"));
    read_lines(&h, input);
    fetch_head_end(&a, &last);
    judge(&alone);
    judge(&last);
    /* nothing of what came before its status line counts */
    bool whole = sl_starts(sl_trim(input), SL("HTTP/")) && input.n + 100 < FETCH_HEAD_MAX;
    ASSERT(!whole || (alone.nfield == last.nfield && sl_eq(alone.type, last.type)));
    ar_free(&a);
}
