# Perl's DBD::Pg as a program of ../program.ts. Its cancel is that of an asynchronous statement.
use strict;
use warnings;
use DBD::Pg ':async';
use DBI;
use FindBin;
use lib $FindBin::Bin;
use Loop;

my $dbh;

sub run {
    my ($sql, @values) = @_;
    my $statement = $dbh->prepare($sql);
    $statement->execute(@values);
    return fetched($statement);
}

my %verbs = (
    connect => sub {
        my ($port, $user, $password, $database) = @_;
        $dbh = DBI->connect("dbi:Pg:host=127.0.0.1;port=$port;dbname=$database",
            $user, $password, { RaiseError => 1, PrintError => 0, PrintWarn => 0, AutoCommit => 1 });
        return {};
    },
    query => \&run,
    param => \&run,
    prepared => sub {
        my ($sql, @values) = @_;
        my $statement = $dbh->prepare($sql, { pg_prepare_now => 1 });
        my @found;
        for my $value (@values) {
            $statement->execute($value);
            push @found, $statement->fetchrow_arrayref->[0];
            $statement->finish;
        }
        return { rows => [map { [$_] } @found] };
    },
    begin => sub { $dbh->begin_work; return {} },
    commit => sub { $dbh->commit; return {} },
    rollback => sub { $dbh->rollback; return {} },
    copyin => sub {
        my ($table, $column, @lines) = @_;
        $dbh->do("COPY $table ($column) FROM STDIN");
        $dbh->pg_putcopydata("$_\n") for @lines;
        $dbh->pg_putcopyend;
        return {};
    },
    copyout => sub {
        my ($table) = @_;
        $dbh->do("COPY $table TO STDOUT");
        my ($line, @found) = ('');
        while ($dbh->pg_getcopydata($line) >= 0) {
            chomp $line;
            push @found, [split /\t/, $line];
        }
        return { rows => \@found };
    },
    listen => sub { $dbh->do("LISTEN $_[0]"); return {} },
    notified => sub {
        my $heard;
        until ($heard = $dbh->pg_notifies) {
            my $ready = '';
            vec($ready, $dbh->{pg_socket}, 1) = 1;
            select($ready, undef, undef, undef);
        }
        return { rows => [[$heard->[0], $heard->[2]]] };
    },
    cancel => sub {
        my ($sql) = @_;
        $dbh->do($sql, { pg_async => PG_ASYNC });
        my $now = <STDIN>;
        return { cancelled => 'pg_cancel' } if $dbh->pg_cancel;
        return { rows => [] };
    },
    close => sub { $dbh->disconnect; return {} },
);

serve("$DBD::Pg::VERSION", %verbs);
