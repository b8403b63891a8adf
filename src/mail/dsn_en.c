/* dsn_en.c - what a delivery report says to people, in English. "{}" in a sentence is filled in. For each
 * cause: what happened and whose matter it is; what the sender can do. */
#include "base/text.h"
#include "date.h"
#include "dsn_i.h"

static struct slice date(struct arena *a, int64_t t)
{
    char date[MAIL_DATE_MAX];
    return ar_dup(a, sl_cstr(mail_date_format(t, 0, date)));
}

const struct dsn_language dsn_en = {
    .tag = "en",
    .date = date,
    .subject = {[DSN_FAILED] = "Not delivered to {}",
                [DSN_DELAYED] = "Not yet delivered to {}",
                [DSN_DELIVERED] = "Delivered to {}",
                [DSN_RELAYED] = "Passed on to {}",
                [DSN_EXPANDED] = "Passed on to several: {}"},
    .recipients = "{} recipients",
    .intro = "This is the mail server {}, about a letter that you sent.",
    .arrived = "It arrived here on {}.",
    .opening = {[DSN_FAILED] = "To {}: the letter could not be delivered.",
                [DSN_DELAYED] = "To {}: the letter has not been delivered yet; this server goes on trying.",
                [DSN_DELIVERED] = "To {}: the letter was delivered.",
                [DSN_RELAYED] =
                    "To {}: the letter was passed on to a server that sends no reports of its own.",
                [DSN_EXPANDED] = "To {}: the letter was passed on to the members of a list or an alias."},
    .gave_up = "This server tried until {} and gave up then.",
    .tries_until =
        "You need not do anything: this server tries until {} and tells you if it does not succeed.",
    .tries = "You need not do anything: you will be told if it does not succeed.",
    .can = "What you can do: {}",
    .said = "The server {} said:",
    .reason = "The reason given was:",
    .whole = "The letter itself is attached.",
    .head = "The head of your letter is attached.",
    .number = "Its number here is {}.",
    .cause =
        {[DSN_CAUSE_UNKNOWN] =
             {"The letter was not taken; what was said about it, below, is all that is known.",
              "If it was important, try again later or reach the recipient by another way."},
         [DSN_CAUSE_INVALID] =
             {"There is no such address at the recipient's server: the matter is the address.",
              "Look for a typing error in the part before the @. If it is right, the mailbox does not "
              "exist (any more): ask the recipient by another way for the present address."},
         [DSN_CAUSE_NO_DOMAIN] =
             {"No mail server is known for the domain of the address: the matter is the address.",
              "Look for a typing error in the part after the @, correct it and send the letter again."},
         [DSN_CAUSE_NO_MAIL] = {"The domain of the address says that it receives no mail.",
                                "Use another address of the recipient."},
         [DSN_CAUSE_BAD_ADDRESS] = {"The address is not written as an address has to be.",
                                    "Correct the address and send the letter again."},
         [DSN_CAUSE_INACTIVE] = {"The recipient's mailbox is switched off or not used any more. Only the "
                                 "recipient can change that.",
                                 "Reach the recipient by another way and ask for another address."},
         [DSN_CAUSE_FULL] = {"The recipient's mailbox is full. Only the recipient can change that.",
                             "Ask the recipient by another way to make room, then send the letter again."},
         [DSN_CAUSE_POLICY] = {"A rule of the recipient's server refuses the letter; the address may "
                               "well be right. Those who run that server made the rule.",
                               "Show this report, whose last words may say which rule it is, to the "
                               "recipient or to your mail administrator."},
         [DSN_CAUSE_AUTH] =
             {"The recipient's server could not verify that the letter comes from your domain (SPF, DKIM "
              "or DMARC). The matter is how your domain is set up, not the recipient's address.",
              "Show this report to your mail administrator, and send the letter again when that is "
              "mended."},
         [DSN_CAUSE_REPUTATION] = {"The recipient's server distrusts the server that the letter came "
                                   "from: its reputation is in doubt, or it stands on a block list. That "
                                   "is a matter of our side, not of the recipient's address.",
                                   "Show this report to your mail administrator; meanwhile reach the "
                                   "recipient by another way."},
         [DSN_CAUSE_CONTENT] =
             {"The recipient's server took the letter for spam or for harmful, or could not read its "
              "form. The matter is what the letter holds, not the address.",
              "Send it again with fewer links and without risky attachments, or ask the recipient by "
              "another way to let your letters in."},
         [DSN_CAUSE_RATE] =
             {"The recipient's server has got too much mail in a short time and takes no more for now. "
              "The matter is how much is sent, not the address.",
              "Send the letter again in some hours, and a letter to many in smaller portions."},
         [DSN_CAUSE_GREYLIST] =
             {"The recipient's server asks senders whom it does not know to come back later. That is a "
              "habit of that server, nothing is wrong with the address.",
              "Send the letter again in some hours, or reach the recipient by another way."},
         [DSN_CAUSE_SIZE] = {"The letter is too large for the recipient's server: the matter is the letter.",
                             "Send less, or put large files where they can be fetched from and send a link."},
         [DSN_CAUSE_FORM] =
             {"The recipient's server cannot take a letter in this form: the matter is the letter.",
              "Send it as plain text or with simple attachments, from and to addresses in plain Latin "
              "letters."},
         [DSN_CAUSE_TLS] = {"The recipient's server and ours did not agree on an encrypted connection. "
                            "That is a matter of the two servers, not of the address.",
                            "Show this report to your mail administrator; meanwhile reach the recipient "
                            "by another way."},
         [DSN_CAUSE_DNS] =
             {"The recipient's server does not accept how your domain or our server is named in the DNS. "
              "That is a matter of our side, not of the recipient's address.",
              "Show this report to your mail administrator, and send the letter again when that is "
              "mended."},
         [DSN_CAUSE_RELAY] =
             {"The server that is named for the recipient's domain says that it takes no mail for this "
              "domain, or none from us. That is a matter of how the servers are set up.",
              "Look for a typing error in the part after the @. If it is right, tell the recipient by "
              "another way, or your mail administrator."},
         [DSN_CAUSE_PROTOCOL] =
             {"The recipient's server and ours did not understand each other. That is a matter of the "
              "two servers, not of the address.",
              "Try again later; if it happens again, show this report to your mail administrator."},
         [DSN_CAUSE_NETWORK] =
             {"The recipient's server could not be reached, did not answer in time, or the connection "
              "broke. That is a matter of that server or of the way to it.",
              "Look for a typing error in the part after the @. If it is right, try again later or reach "
              "the recipient by another way."},
         [DSN_CAUSE_TEMPORARY] = {"The recipient's server has a trouble of its own; neither the address "
                                  "nor the letter is to blame.",
                                  "Send the letter again later, or reach the recipient by another way."},
         [DSN_CAUSE_LOOP] =
             {"The letter went in a circle between servers. That is a matter of how they are set up.",
              "Tell the recipient's mail administrator or your own."}},
};
