/* sendgrid_footer.c - what stands behind the texts of a mail/send, a template's too: mail_settings.footer,
 * and the link to leave by of tracking_settings.subscription_tracking. */
#include "base/text.h"
#include "send/unsubscribe.h"
#include "sendgrid.h"

#define LINK "<%asm_global_unsubscribe_raw_url%>" /* becomes the link: send/unsubscribe.h */
#define LEAVE_TEXT "If you'd like to unsubscribe and stop receiving these emails click here: <% %>."
#define LEAVE_HTML "<p>If you'd like to unsubscribe and stop receiving these emails <% click here %>.</p>"

static struct slice before_end(struct arena *a, struct slice html, struct slice more)
{
    size_t end = sl_findi(html, SL("</body>"));
    if (end == SL_NONE) end = html.n;
    return ar_printf(a, "%.*s%.*s%.*s", SLF(sl_sub(html, 0, end)), SLF(more), SLF(sl_from(html, end)));
}

static void append(struct sendgrid_mail *m, struct slice text, struct slice html)
{
    for (size_t i = 0; i < m->send.nparts; i++) {
        struct send_part *p = &m->send.part[i];
        if (sl_eqi(p->type, SL("text/plain")) && text.n)
            p->text = ar_printf(&m->d.a, "%.*s\n%.*s", SLF(p->text), SLF(text));
        else if (sl_eqi(p->type, SL("text/html")) && html.n) p->text = before_end(&m->d.a, p->text, html);
    }
}

/* "<% click here %>" with the link, in HTML under these words; other tags stay. *links: how many there are,
 * of which no more than UNSUBSCRIBE_LINKS_MAX are written. */
static struct slice with_link(struct arena *a, struct slice text, bool html, size_t *links)
{
    struct buf b = BUF_INIT;
    for (size_t at; (at = sl_find(text, SL("<%"))) != SL_NONE;) {
        size_t end = sl_find(sl_from(text, at), SL("%>"));
        if (end == SL_NONE) break;
        struct slice words = sl_trim(sl_sub(text, at + 2, at + end));
        buf_put(&b, sl_sub(text, 0, at));
        if (sl_starts(words, SL("asm_"))) buf_put(&b, sl_sub(text, at, at + end + 2));
        else if (++*links > UNSUBSCRIBE_LINKS_MAX) break;
        else if (html && words.n) buf_printf(&b, "<a href=\"%s\">%.*s</a>", LINK, SLF(words));
        else buf_str(&b, LINK);
        text = sl_from(text, at + end + 2);
    }
    buf_put(&b, text);
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}

/* The link in place of the tag; *links as there. */
static struct slice in_place(struct arena *a, struct slice text, struct slice tag, size_t *links)
{
    struct buf b = BUF_INIT;
    struct slice rest = text;
    for (size_t at; (at = rest.n ? sl_find(rest, tag) : SL_NONE) != SL_NONE;
         rest = sl_from(rest, at + tag.n)) {
        if (++*links > UNSUBSCRIBE_LINKS_MAX) break;
        buf_put(&b, sl_sub(rest, 0, at));
        buf_str(&b, LINK);
    }
    if (b.n) buf_put(&b, rest);
    struct slice out = b.n ? ar_dup(a, buf_slice(&b)) : text;
    buf_free(&b);
    return out;
}

static void too_many(struct sendgrid_mail *m, const char *path)
{
    dialect_fault(&m->d, path, ERR_LIMIT, "It stands for more than %d links to unsubscribe in one text.",
                  UNSUBSCRIBE_LINKS_MAX);
}

static void tag_in_place(struct sendgrid_mail *m)
{
    for (size_t i = 0; i < m->send.nparts; i++) {
        size_t links = 0;
        struct slice *text = &m->send.part[i].text;
        *text = in_place(&m->d.a, *text, m->leave_tag, &links);
        if (links <= UNSUBSCRIBE_LINKS_MAX) continue;
        too_many(m, "tracking_settings.subscription_tracking.substitution_tag");
        return;
    }
}

static struct slice without(struct arena *a, struct slice text, struct slice tag)
{
    struct buf b = BUF_INIT;
    struct slice rest = text;
    for (size_t at; (at = rest.n ? sl_find(rest, tag) : SL_NONE) != SL_NONE; rest = sl_from(rest, at + tag.n))
        buf_put(&b, sl_sub(rest, 0, at));
    bool none = rest.n == text.n;
    if (!none) buf_put(&b, rest);
    struct slice out = none ? text : b.n ? ar_dup(a, buf_slice(&b)) : SL("");
    buf_free(&b);
    return out;
}

void sendgrid_mail_finish(struct sendgrid_mail *m)
{
    struct arena *a = &m->d.a;
    size_t in_text = 0, in_html = 0;
    for (size_t i = 0; m->open_tag.n && i < m->send.nparts; i++) /* the image stands at the end */
        m->send.part[i].text = without(a, m->send.part[i].text, m->open_tag);
    append(m, m->footer.text, m->footer.html);
    if (!m->leaves) return;
    if (m->leave_tag.n) {
        tag_in_place(m);
        return;
    }
    struct slice text = with_link(a, m->leave.text.n ? m->leave.text : SL(LEAVE_TEXT), false, &in_text),
                 html = with_link(a, m->leave.html.n ? m->leave.html : SL(LEAVE_HTML), true, &in_html);
    if (in_text > UNSUBSCRIBE_LINKS_MAX) too_many(m, "tracking_settings.subscription_tracking.text");
    if (in_html > UNSUBSCRIBE_LINKS_MAX) too_many(m, "tracking_settings.subscription_tracking.html");
    append(m, text, html);
}
