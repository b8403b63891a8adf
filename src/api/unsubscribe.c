/* unsubscribe.c - the page behind List-Unsubscribe (RFC 8058): POST leaves at once, needs no cookie, is no
 * redirect and says 200 the second time as well; GET shows a page that asks, for scanners fetch links. */
#include "send/unsubscribe.h"

#include "api_i.h"

/* ---- words ---- */

enum word { TITLE, ASK, BUTTON, DONE, WRONG, LATER, WORDS };
static const char *const words[][WORDS] = {
    {"Unsubscribe", "Shall this address get no more of these letters?", "Unsubscribe",
     "It is done: this address gets no more of these letters.",
     "This link is not complete. Please copy the whole of it from the letter.",
     "This cannot be done at the moment. Please try again in a minute."},
    {"Hủy đăng ký", "Địa chỉ này sẽ không nhận những thư này nữa?", "Hủy đăng ký",
     "Đã xong: địa chỉ này sẽ không nhận những thư này nữa.",
     "Liên kết này không đầy đủ. Vui lòng sao chép toàn bộ liên kết từ thư.",
     "Hiện chưa thực hiện được. Vui lòng thử lại sau một phút."},
};
static const char *const tags[] = {"en", "vi"};

/* The first language of Accept-Language that we have (RFC 9110 section 12.5.4), English else. */
static size_t language(const struct http_call *c)
{
    struct slice rest = http_request_value(c->request, SL("Accept-Language")), one;
    while (sl_next(&rest, ',', &one))
        for (size_t i = 0; i < COUNT_OF(tags); i++)
            if (sl_startsi(sl_trim(one), sl_cstr(tags[i]))) return i;
    return 0;
}

static void html_put(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) switch (s.p[i]) {
        case '<': buf_str(b, "&lt;"); break;
        case '>': buf_str(b, "&gt;"); break;
        case '&': buf_str(b, "&amp;"); break;
        case '"': buf_str(b, "&quot;"); break;
        default: buf_char(b, s.p[i]); break;
        }
}

/* address: shown, or empty. A form when it asks. No script, nothing from elsewhere. */
static void page(struct http_call *c, int status, enum word what, struct slice address)
{
    struct buf b = BUF_INIT;
    size_t l = language(c);
    const char *const *w = words[l];
    buf_printf(
        &b,
        "<!doctype html><html lang=\"%s\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\">"
        "<title>%s</title><style>body{font:1.1rem sans-serif;max-width:32rem;margin:3rem auto;padding:0 "
        "1rem}button{font:inherit;padding:.6rem 1.2rem}</style></head><body><h1>%s</h1><p>%s</p>",
        tags[l], w[TITLE], w[TITLE], w[what]);
    if (address.n) {
        buf_str(&b, "<p><b>");
        html_put(&b, address);
        buf_str(&b, "</b></p>");
    }
    if (what == ASK)
        buf_printf(&b,
                   "<form method=\"post\"><input type=\"hidden\" name=\"List-Unsubscribe\" "
                   "value=\"One-Click\"><button>%s</button></form>",
                   w[BUTTON]);
    buf_str(&b, "</body></html>\n");
    http_field(c, "Cache-Control", SL("no-store"));
    http_field(c, "Content-Language", sl_cstr(tags[l]));
    http_field(
        c, "Content-Security-Policy",
        SL("default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"));
    http_field(c, "Referrer-Policy", SL("no-referrer"));
    http_answer(c, status, "text/html; charset=utf-8", buf_slice(&b));
    buf_free(&b);
}

static void show(struct http_call *c)
{
    struct unsubscribe u;
    bool done = false;
    if (!unsubscribe_parse(api_of(c)->core->sends, c->a, c->param[0], &u)) {
        page(c, 404, WRONG, SL(""));
        return;
    }
    int e = unsubscribe_is_done(api_of(c)->core->sends, &u, &done);
    if (e) page(c, 503, LATER, SL(""));
    else page(c, 200, done ? DONE : ASK, u.address);
}

/* Whatever the body says: who posts here has pressed a button for it (RFC 8058 section 3.2). */
static void leave(struct http_call *c)
{
    struct unsubscribe u;
    if (!unsubscribe_parse(api_of(c)->core->sends, c->a, c->param[0], &u)) {
        page(c, 404, WRONG, SL(""));
        return;
    }
    int e = unsubscribe_do(api_of(c)->core->sends, &u);
    page(c, e ? 503 : 200, e ? LATER : DONE, u.address);
}

static const struct http_route routes[] = {
    HTTP_ROUTE(GET, "/u/{token}", NONE, show, "asks whether to leave"),
    HTTP_ROUTE(POST, "/u/{token}", NONE, leave, "leaves (RFC 8058)"),
};
const struct http_group api_unsubscribe = {
    .name = "unsubscribe", .prefix = "/u/", .route = routes, .n = COUNT_OF(routes)};
