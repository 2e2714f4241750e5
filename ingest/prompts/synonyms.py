"""Words that can stand for each other in a question, written by hand for `ingest.paraphrases`.

One group a line. Members of several words are only put in, never looked for: `who` becomes `which person`, but
nothing becomes `who`. Forms are listed one by one, so that number and tense stay.
"""

GROUPS = """
who, which person, what person
when, at what time, at which time
where, in what place, in which place
why, for what reason
what's, what is
who's, who is
where's, where is
when's, when is
it's, it is
don't, do not
can't, cannot
didn't, did not
doesn't, does not
isn't, is not
wasn't, was not
movie, film, picture
movies, films, pictures
song, tune, track
songs, tunes, tracks
show, program
series, programme
episode, installment
episodes, installments
season, cycle of episodes
book, volume
books, volumes
author, writer
authors, writers
singer, vocalist
singers, vocalists
actor, performer
actors, performers
band, music group
lyrics, words of the song
character, figure
characters, figures
voice, vocal part
theme, main tune
star, lead
stars, leads
begin, start, commence
begins, starts, commences
began, started, commenced
beginning, starting, commencing
end, finish, conclude
ends, finishes, concludes
ended, finished, concluded
win, be victorious in
wins, is victorious in
won, was victorious in
lose, forfeit
lost, forfeited
make, create, produce
makes, creates, produces
made, created, produced
making, creating, producing
built, constructed, erected
build, construct, erect
write, compose, pen
writes, composes, pens
wrote, composed, penned
written, composed, penned
sings, performs
sing, perform
sang, performed
sung, performed
plays, portrays
played, portrayed
recorded, put on record
released, issued, put out
invented, devised
invent, devise
discovered, found
founded, established
located, situated, placed
happen, occur, take place
happens, occurs, takes place
happened, occurred, took place
originate, stem
originated, stemmed
called, named, termed
known, recognized
become, turn into
became, turned into
get, receive, obtain
gets, receives, obtains
got, received, obtained
give, provide, supply
gives, provides, supplies
gave, provided, supplied
given, provided, supplied
need, require
needs, requires
needed, required
use, employ, utilize
used, employed, utilized
uses, employs, utilizes
using, employing, utilizing
said, declared
mean, signify
means, signifies
show, display
live, reside, dwell
lives, resides, dwells
lived, resided, dwelt
die, perish, pass away
died, perished, passed away
dies, perishes, passes away
killed, slain
leave, depart
left, departed
go, travel
goes, travels
went, travelled
come, arrive
came, arrived
comes, arrives
buy, purchase
bought, purchased
sell, vend
sold, vended
meet, encounter
met, encountered
marry, wed
married, wedded
fight, battle
fought, battled
fights, battles
allowed, permitted
allow, permit
change, alter
changed, altered
changes, alters
choose, select, pick
chosen, selected, picked
elected, voted in
signed, put a signature to
scored, netted
considered, regarded
based, grounded
directed, helmed
introduced, brought in
produced, made
ruled, governed, reigned
rule, govern, reign
large, big
larger, bigger
largest, biggest
small, little
smaller, littler
smallest, littlest
old, aged
oldest, most aged
new, recent
newest, latest, most recent
first, earliest
last, most recent
famous, well-known, renowned
popular, well-liked
important, significant
main, chief, principal
real, actual
complete, entire, whole
total, overall
full, complete
current, present
original, initial
early, first
common, usual
fast, quick, rapid
fastest, quickest, swiftest
high, tall
highest, tallest
long, lengthy
longest, lengthiest
rich, wealthy
richest, wealthiest
strong, powerful
beautiful, pretty, lovely
different, distinct
several, various
most, the greatest number of
city, town
cities, towns
country, nation
countries, nations
place, location, spot
places, locations, spots
area, region
areas, regions
land, territory
border, boundary
road, street
house, dwelling
building, structure
buildings, structures
river, stream
ocean, sea
island, isle
islands, isles
world, globe
earth, planet
woman, lady
women, ladies
man, gentleman
men, gentlemen
boy, lad
girl, lass
child, kid
children, kids
mother, mom
father, dad
wife, spouse
husband, spouse
people, persons
person, individual
leader, head
boss, chief
teacher, instructor
doctor, physician
soldier, trooper
soldiers, troopers
team, squad
teams, squads
game, match
games, matches
championship, title
cup, trophy
award, prize
awards, prizes
race, contest
coach, trainer
winner, victor, champion
winners, victors, champions
job, occupation
purpose, aim, goal
type, kind, sort
types, kinds, sorts
part, portion
parts, portions
number, count
amount, quantity
meaning, sense
reason, cause
example, instance
examples, instances
law, statute
war, armed conflict
battle, combat
army, military force
company, firm
companies, firms
money, cash
car, automobile
cars, automobiles
ship, vessel
ships, vessels
plane, aircraft
train, railway train
store, shop
stores, shops
school, place of learning
illness, disease, sickness
illnesses, diseases, sicknesses
body, physique
blood, lifeblood
cell, body cell
animal, creature
animals, creatures
forest, woods
present, gift
picture, image
story, tale
stories, tales
during, in the course of
after, following
before, prior to
between, in between
about, concerning
around, near
near, close to
over, above
under, beneath, below
into, inside
through, throughout
against, versus
since, ever since
until, till
also, too
often, frequently
usually, normally, generally
now, currently, presently
today, nowadays
once, one time
again, once more
still, yet
only, solely
ever, at any time
never, not ever
always, at all times
from, out of
in, within
on, upon
"""
