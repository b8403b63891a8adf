# verifiers.pl - Mail::DKIM behind a pipe: "zone N", "verify N", "sign KEYFILE DOMAIN SELECTOR METHOD N", "arc N",
# "seal KEYFILE DOMAIN SELECTOR CV N" and as many bytes; each answer is a line with its length, then the bytes. Keys come from the zone given, not the DNS.
use strict;
use warnings;
use Mail::DKIM::Verifier;
use Mail::DKIM::Signer;
use Mail::DKIM::ARC::Signer;
use Mail::DKIM::ARC::Verifier;
use Net::DNS;

my %txt;
{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query_async = sub {
        my ($name, $type, %prms) = @_;
        my $text = $txt{lc $name};
        my @rr = defined $text ? (Net::DNS::RR->new(name => $name, type => 'TXT', txtdata => [unpack '(a255)*', $text])) : ();
        my $waiter = sub { $prms{Callbacks}->{Success}->(@rr) };
        return $waiter;
    };
}
$SIG{__WARN__} = sub { };    # of letters that are meant to be odd
binmode STDIN;
binmode STDOUT;
$| = 1;
while (my $line = <STDIN>) {
    my @w = split ' ', $line;
    my $bytes = '';
    read(STDIN, $bytes, $w[-1]) == $w[-1] or die 'short read';
    my $out = '';
    if ($w[0] eq 'zone') {
        %txt = map { my ($n, $t) = split /\t/, $_, 2; (lc $n, $t) } split /\n/, $bytes;
    } elsif ($w[0] eq 'verify') {
        my $v = Mail::DKIM::Verifier->new();
        eval {
            $v->PRINT($bytes);
            $v->CLOSE;
            $out .= join("\t", $_->result, $_->domain // '-', $_->result_detail) . "\n" for $v->signatures;
            1;
        } or $out = "died\t-\t$@";
    } elsif ($w[0] eq 'sign') {
        my $s = Mail::DKIM::Signer->new(Algorithm => 'rsa-sha256', Method => $w[4], Domain => $w[2],
                                        Selector => $w[3], KeyFile => $w[1]);
        $s->PRINT($bytes);
        $s->CLOSE;
        $out = $s->signature->as_string . "\r\n";
    } elsif ($w[0] eq 'arc') {
        my $v = Mail::DKIM::ARC::Verifier->new();
        eval { $v->PRINT($bytes); $v->CLOSE; $out = $v->result . "\t" . $v->result_detail; 1 } or $out = "died\t$@";
    } elsif ($w[0] eq 'seal') {
        my $s = Mail::DKIM::ARC::Signer->new(Algorithm => 'rsa-sha256', Chain => $w[4], Domain => $w[2], SrvId => $w[2],
                                             Selector => $w[3], KeyFile => $w[1]);
        eval { $s->PRINT($bytes); $s->CLOSE; $out = $s->as_string . "\r\n" if $s->result eq 'sealed'; 1 } or $out = '';
    }
    print length($out), "\n", $out;
}
