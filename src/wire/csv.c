/* csv.c - tables as rows of cells (RFC 4180). */
#include "csv.h"

#include <string.h>

void csv_put(struct buf *out, struct slice cell)
{
    bool quote = false;
    for (size_t i = 0; i < cell.n; i++) quote |= cell.p[i] && strchr(",\"\r\n", cell.p[i]);
    if (quote) buf_char(out, '"');
    if (cell.n && cell.p[0] && strchr("=+-@", cell.p[0])) buf_char(out, ' ');
    for (size_t i = 0; i < cell.n; i++) {
        if (cell.p[i] == '"') buf_char(out, '"');
        buf_char(out, cell.p[i]);
    }
    if (quote) buf_char(out, '"');
}

/* Is the byte one of the cell's own? *in: before and after it. */
static bool step(int *in, char c)
{
    switch (*in) {
    case CSV_QUOTED:
        if (c == '"') *in = CSV_CLOSED;
        return c != '"';
    case CSV_CLOSED: /* a quote behind a quote is one that was meant */
        *in = c == '"' ? CSV_QUOTED : c == ',' ? CSV_BEGIN : CSV_PLAIN;
        return c != ',';
    default: {
        bool opens = *in == CSV_BEGIN && c == '"';
        *in = opens ? CSV_QUOTED : c == ',' ? CSV_BEGIN : CSV_PLAIN;
        return !opens && c != ',';
    }
    }
}

size_t csv_row(struct slice text, struct csv_scan *scan)
{
    for (; scan->at < text.n; scan->at++) {
        int in = scan->in;
        char c = text.p[scan->at];
        if (c == '\n' && in != CSV_QUOTED) return scan->at + 1;
        (void)step(&in, c);
        scan->in = in;
    }
    return SL_NONE;
}

bool csv_cell(struct arena *a, struct slice *row, struct slice *cell)
{
    struct buf b = BUF_INIT;
    int in = CSV_BEGIN;
    size_t i = 0;
    if (!row->p) return false;
    while (i < row->n) {
        bool own = step(&in, row->p[i]);
        if (own) buf_char(&b, row->p[i]);
        i++;
        if (in == CSV_BEGIN) break;
    }
    *cell = ar_dup(a, sl_trim(buf_slice(&b)));
    *row = in == CSV_BEGIN && i ? sl_from(*row, i) : (struct slice){0};
    buf_free(&b);
    return true;
}
