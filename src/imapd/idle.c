/* idle.c - IDLE (RFC 2177). */
#include <stdio.h>

#include "imapd_i.h"

void imapd_cmd_idle(struct imapd_session *s, struct imap_in *in)
{
    if (imapd_args_bad(s, in)) return;
    snprintf(s->idle_tag, sizeof s->idle_tag, "%.*s", SLF(s->tag));
    s->idling = true;
    imapd_write(s, SL("+ idling\r\n"));
    s->news = s->view; /* what is known now is told at once */
}

bool imapd_idle_turn(struct imapd_session *s)
{
    s->tag = sl_cstr(s->idle_tag);
    s->may_expunge = true;
    if (s->news) {
        imapd_news(s);
        return true;
    }
    if (!conn_peek(s->c).n) return false;
    struct slice line;
    int e = imapd_line(s, IMAPD_LINE_STRANGER, &line);
    s->idling = false;
    if (!e) imapd_heard_line(s, line);
    if (e && imapd_refuse_line(s, e) != 0) s->over = true;
    else if (!e && sl_eqi(line, SL("DONE"))) imapd_ok(s, NULL, "idle no more");
    else if (!e) imapd_bad(s, "DONE was expected");
    return true;
}

/* ---- IDLE (RFC 2177) ---- */
