/* csv_fuzz.c - a table from hostile bytes; what is written comes back, and where a row ends does not depend
 * on how its bytes come in. */
#include "base/fuzz.h"
#include "base/text.h"
#include "csv.h"

/* The rows, told as the numbers where they end. */
static uint64_t in_pieces(struct slice in, size_t piece)
{
    uint64_t sum = 7;
    struct csv_scan scan = {0};
    for (size_t at = 0, seen = 0, end; seen < in.n;) {
        seen = seen + piece < in.n ? seen + piece : in.n;
        while ((end = csv_row(sl_sub(in, at, seen), &scan)) != SL_NONE) {
            at += end;
            sum = sum * 31 + at;
            scan = (struct csv_scan){0};
        }
    }
    return sum;
}

static void read_rows(struct arena *a, struct slice in)
{
    struct slice cell;
    for (size_t end; in.n; in = sl_from(in, end)) {
        struct csv_scan scan = {0};
        end = csv_row(in, &scan);
        if (end == SL_NONE) end = in.n;
        struct slice row = sl_sub(in, 0, end);
        size_t all = 0;
        while (csv_cell(a, &row, &cell)) all += cell.n + 1;
        ASSERT(all <= end + 1);
    }
}

/* The input's lines as the cells of a row, then of two rows. */
static void comes_back(struct arena *a, struct slice in)
{
    struct buf b = BUF_INIT;
    struct slice rest = in, one, cell;
    size_t n = 0;
    while (sl_next(&rest, '\v', &one)) {
        if (n++) buf_char(&b, ',');
        csv_put(&b, one);
    }
    buf_str(&b, "\r\nnext,row\r\n");
    struct csv_scan scan = {0};
    size_t end = csv_row(buf_slice(&b), &scan);
    ASSERT(end != SL_NONE && sl_eq(sl_from(buf_slice(&b), end), SL("next,row\r\n")));
    struct slice row = sl_sub(buf_slice(&b), 0, end);
    for (rest = in; sl_next(&rest, '\v', &one); n--) {
        ASSERT(csv_cell(a, &row, &cell));
        ASSERT(sl_eq(cell, sl_trim(one)));
    }
    ASSERT(n == 0 && !csv_cell(a, &row, &cell));
    buf_free(&b);
}

FUZZ
{
    struct arena a = {0};
    uint64_t whole = in_pieces(input, input.n);
    ASSERT(in_pieces(input, 1) == whole && in_pieces(input, 3) == whole);
    read_rows(&a, input);
    if (input.p) comes_back(&a, input);
    ar_free(&a);
}
