/* head.c - the header section of an answer, as libcurl hands it over. */
#include "fetch_i.h"

/* Also the status line, that of "100 Continue" too: fields of what came before are forgotten. */
bool fetch_head_line(struct fetch_head *h, struct slice line)
{
    struct fetch_answer *out = h->out;
    h->bytes += line.n;
    if (h->bytes > FETCH_HEAD_MAX) return false;
    line = sl_trim(line);
    size_t colon = sl_chr(line, ':');
    bool status = sl_starts(line, SL("HTTP/"));
    if (status) out->nfield = 0;
    if (status || colon == SL_NONE || colon == 0) return true;
    if (out->nfield == h->room) {
        if (!h->room) out->field = ar_array(h->a, struct fetch_field, h->room = 8);
        else out->field = ar_grow(h->a, out->field, &h->room, sizeof *out->field);
    }
    out->field[out->nfield++] = (struct fetch_field){ar_lower(h->a, sl_sub(line, 0, colon)),
                                                     ar_dup(h->a, sl_trim(sl_from(line, colon + 1)))};
    return true;
}

struct slice fetch_header(const struct fetch_answer *r, const char *name)
{
    for (size_t i = 0; i < r->nfield; i++)
        if (sl_eq(r->field[i].name, sl_cstr(name))) return r->field[i].value;
    return SL("");
}

void fetch_head_end(struct arena *a, struct fetch_answer *out)
{
    struct slice field = fetch_header(out, "content-type");
    out->type = ar_lower(a, sl_trim(sl_sub(field, 0, sl_chr(field, ';'))));
}
