/* page.c - the frame of a page. */
#include "page.h"

static const char *const tags[PAGE_LANGUAGES] = {[PAGE_EN] = "en", [PAGE_VI] = "vi"};

size_t page_language(const struct http_call *c)
{
    struct slice rest = http_request_value(c->request, SL("Accept-Language")), one;
    while (sl_next(&rest, ',', &one))
        for (size_t i = 0; i < PAGE_LANGUAGES; i++)
            if (sl_startsi(sl_trim(one), sl_cstr(tags[i]))) return i;
    return PAGE_EN;
}

void page_text(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) switch (s.p[i]) {
        case '<': buf_str(b, "&lt;"); break;
        case '>': buf_str(b, "&gt;"); break;
        case '&': buf_str(b, "&amp;"); break;
        case '"': buf_str(b, "&quot;"); break;
        default: buf_char(b, s.p[i]); break;
        }
}

void page_begin(struct buf *b, size_t language, const char *title)
{
    buf_printf(
        b,
        "<!doctype html><html lang=\"%s\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\">"
        "<title>%s</title><style>body{font:1.1rem sans-serif;max-width:32rem;margin:3rem auto;padding:0 "
        "1rem}button{font:inherit;padding:.6rem 1.2rem}label{display:block;padding:.6rem 0}input{transform:"
        "scale(1.4);margin-right:.8rem}small{display:block;margin-left:2rem}</style></head><body><h1>%s</h1>",
        tags[language], title, title);
}

void page_answer(struct http_call *c, int status, size_t language, struct buf *b)
{
    buf_str(b, "</body></html>\n");
    http_field(c, "Cache-Control", SL("no-store"));
    http_field(c, "Content-Language", sl_cstr(tags[language]));
    http_field(
        c, "Content-Security-Policy",
        SL("default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"));
    http_field(c, "Referrer-Policy", SL("no-referrer"));
    http_answer(c, status, "text/html; charset=utf-8", buf_slice(b));
    buf_free(b);
}
