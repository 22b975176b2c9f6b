# What the Perl programs share: the line protocol of ../program.ts.
package Loop;
use strict;
use warnings;
use DBI;
use Exporter 'import';
use JSON::PP;
our @EXPORT = qw(fetched serve);

# Rows of a statement as text.
sub fetched {
    my ($statement) = @_;
    return { rows => [] } unless $statement->{NUM_OF_FIELDS};
    return { rows => [map { [map { defined $_ ? "$_" : undef } @$_] } @{ $statement->fetchall_arrayref }] };
}

# Answers one line a verb until the input ends.
sub serve {
    my ($version, %verbs) = @_;
    my $json = JSON::PP->new->ascii;
    $| = 1;
    binmode STDIN, ':encoding(UTF-8)';
    print $json->encode({ version => $version }), "\n";
    while (my $line = <STDIN>) {
        chomp $line;
        my ($name, @args) = split /\t/, $line;
        my $answer = eval { $verbs{$name}->(@args) };
        if (!defined $answer) {
            my $fault = "$@";
            # The statement's handle has them too; DBI keeps those of the last call.
            my ($sqlstate, $errno, $message) = ($DBI::state, $DBI::err, $DBI::errstr);
            $answer = $errno ? { error => { sqlstate => $sqlstate, errno => $errno, message => $message } } : { fault => $fault };
        }
        print $json->encode($answer), "\n";
    }
}

1;
