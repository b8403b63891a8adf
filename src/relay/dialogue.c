/* dialogue.c - what is said to another server and by it, line by line, for who looks on (wire/dialogue.h). No
 * secret is in it: of a login the mechanism and the codes of the answers. Of letters how many bytes they had.
 */
#include "wire/dialogue.h"

#include <stdio.h>
#include <stdlib.h>

#include "relay_i.h"

void peer_serves(struct peer *p, struct slice domain)
{
    static uint64_t sessions;
    char ip[IP_TEXT_MAX], who[PEER_HOST_MAX + 40];
    if (!dialogue_wanted()) return;
    if (!p->who) {
        snprintf(who, sizeof who, "relay %s session %llu", p->host,
                 (unsigned long long)__atomic_add_fetch(&sessions, 1, __ATOMIC_RELAXED));
        p->who = xcalloc(1, strlen(who) + 1);
        memcpy(p->who, who, strlen(who));
    }
    struct slice host = sl_cstr(p->host);
    dialogue_begins(p->who, &(struct dialogue_with){sl_cstr(ip_format(&p->ip, ip)),
                                                    sl_sub(host, 0, sl_chr(host, ' ')), domain});
}

void peer_ends(struct peer *p)
{
    if (p->who && dialogue_wanted()) dialogue_ends(p->who);
    free(p->who);
    p->who = NULL;
}

void peer_say(struct peer *p, struct slice commands)
{
    conn_write(p->c, commands);
    if (p->who) dialogue_lines(p->who, DIALOGUE_CLIENT, commands);
}

void peer_say_secret(struct peer *p, const char *before, struct slice line)
{
    char text[80];
    conn_write(p->c, line);
    if (!p->who) return;
    snprintf(text, sizeof text, "%s...", before);
    if (*before) dialogue_line(p->who, DIALOGUE_CLIENT, sl_cstr(text));
    else dialogue_count(p->who, DIALOGUE_CLIENT, line.n, "the login");
}

void peer_said(struct peer *p, struct slice line)
{
    char code[] = "... ...";
    if (!p->who) return;
    bool refused = sl_starts(line, SL("4")) || sl_starts(line, SL("5"));
    memcpy(code, line.p, line.n < 3 ? line.n : 3);
    dialogue_line(p->who, DIALOGUE_SERVER, p->logging_in && !refused ? sl_cstr(code) : line);
}

void peer_give(struct peer *p, struct slice bytes)
{
    conn_write(p->c, bytes);
    if (p->who) dialogue_letter(p->who, bytes);
}

void peer_gave(struct peer *p, uint64_t n)
{
    if (p->who) dialogue_count(p->who, DIALOGUE_CLIENT, n, "a letter");
}
