#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# sbom.pl VERSION SECONDS: what the packages contain of others' code, as SPDX 2.3 in JSON. The plugin's and memctl-top's
# NuGet packages come from their lock files, with the hashes that restore compares; memctl-vmm's crates from cargo, as it
# resolves them for this build. SECONDS is the time of the document.
use strict;
use warnings;
use Digest::SHA qw(sha1_hex);
use File::Basename qw(dirname);
use JSON::PP;
use MIME::Base64 qw(decode_base64);
use POSIX qw(strftime);

my ($version, $seconds) = @ARGV;
my $top = dirname($0) . '/../..';
my $json = JSON::PP->new->canonical->utf8->pretty;

sub read_file {
    open my $file, '<', $_[0] or die "sbom.pl: $_[0]: $!\n";
    local $/;
    return <$file>;
}

# What is linked into the libraries and programs of a project: everything that its lock file resolves but projects.
sub nuget {
    my ($project) = @_;
    my $frameworks = decode_json(read_file("$top/src/$project/packages.lock.json"))->{dependencies};
    my %found;
    for my $packages (values %$frameworks) {
        for my $name (keys %$packages) {
            my $package = $packages->{$name};
            # The second runs in the build.
            next if $package->{type} eq 'Project' || $name eq 'Microsoft.NET.ILLink.Tasks';
            $found{"$name $package->{resolved}"} = {
                name => $name,
                version => $package->{resolved},
                url => "pkg:nuget/$name\@$package->{resolved}",
                sha512 => unpack('H*', decode_base64($package->{contentHash})),
            };
        }
    }
    return values %found;
}

sub crates {
    my @words = ('cargo', 'metadata', '--format-version=1', '--config', "$top/.cache/cargo.toml",
        '--filter-platform=x86_64-unknown-linux-gnu', '--manifest-path', "$top/rust-shim/Cargo.toml");
    open my $pipe, '-|', @words or die "sbom.pl: cargo: $!\n";
    my $metadata = decode_json(do { local $/; <$pipe> });
    close $pipe or die "sbom.pl: cargo metadata failed\n";
    my %package = map { $_->{id} => $_ } @{$metadata->{packages}};
    my %node = map { $_->{id} => $_ } @{$metadata->{resolve}{nodes}};
    my @left = grep { $package{$_}{name} eq 'memctl-vmm' } @{$metadata->{workspace_members}};
    my (%seen, @linked);
    while (defined(my $id = shift @left)) {
        # A macro, and what it needs, runs in the build.
        next if $seen{$id}++ || grep { "@{$_->{kind}}" eq 'proc-macro' } @{$package{$id}{targets}};
        push @linked, $package{$id} if defined $package{$id}{source};
        for my $dependency (@{$node{$id}{deps}}) {
            # Neither tests' nor build scripts' crates are linked in.
            push @left, $dependency->{pkg} if grep { !defined $_->{kind} } @{$dependency->{dep_kinds}};
        }
    }
    return map { {
        name => $_->{name}, version => $_->{version}, license => $_->{license}, url => "pkg:cargo/$_->{name}\@$_->{version}",
    } } @linked;
}

sub spdx_package {
    my ($part) = @_;
    my $license = $part->{license} // 'NOASSERTION';
    $license =~ s{/}{ OR }g;
    my %package = (
        SPDXID => 'SPDXRef-' . sha1_hex($part->{url}),
        name => $part->{name},
        versionInfo => $part->{version},
        downloadLocation => 'NOASSERTION',
        filesAnalyzed => JSON::PP::false,
        licenseConcluded => 'NOASSERTION',
        licenseDeclared => $license,
        copyrightText => 'NOASSERTION',
        externalRefs => [{ referenceCategory => 'PACKAGE-MANAGER', referenceType => 'purl', referenceLocator => $part->{url} }],
    );
    $package{checksums} = [{ algorithm => 'SHA512', checksumValue => $part->{sha512} }] if $part->{sha512};
    return \%package;
}

my %parts = map { $_->{url} => $_ } nuget('Memctl.Plugin'), nuget('Memctl.Top'), crates();
my @packages = map { spdx_package($parts{$_}) } sort keys %parts;
my $memctl = {
    SPDXID => 'SPDXRef-memctl',
    name => 'memctl',
    versionInfo => $version,
    downloadLocation => 'NOASSERTION',
    filesAnalyzed => JSON::PP::false,
    licenseConcluded => 'Apache-2.0 AND GPL-2.0-only',
    licenseDeclared => 'Apache-2.0 AND GPL-2.0-only',
    copyrightText => 'NOASSERTION',
};
print $json->encode({
    spdxVersion => 'SPDX-2.3',
    dataLicense => 'CC0-1.0',
    SPDXID => 'SPDXRef-DOCUMENT',
    name => "memctl-$version",
    # Made of the content, so that equal builds have equal documents.
    documentNamespace => "urn:memctl:$version:" . sha1_hex(join "\n", sort keys %parts),
    creationInfo => { created => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $seconds), creators => ['Tool: memctl-sbom.pl'] },
    packages => [$memctl, @packages],
    relationships => [
        { spdxElementId => 'SPDXRef-DOCUMENT', relationshipType => 'DESCRIBES', relatedSpdxElement => 'SPDXRef-memctl' },
        map { { spdxElementId => 'SPDXRef-memctl', relationshipType => 'CONTAINS', relatedSpdxElement => $_->{SPDXID} } } @packages,
    ],
});
