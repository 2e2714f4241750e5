-- Word class of a Penn part-of-speech tag.
-- grain: scalar
-- argument tag: the tag
create macro tag_class(tag) as
case
    when starts_with(tag, 'NN') then 'noun'
    when starts_with(tag, 'VB') then 'verb'
    when starts_with(tag, 'JJ') then 'adjective'
    when starts_with(tag, 'RB') then 'adverb'
    when starts_with(tag, 'PRP') or tag = 'WP' or tag = 'WP$' then 'pronoun'
    when tag in ('DT', 'PDT', 'WDT') then 'determiner'
    when tag in ('IN', 'TO') then 'preposition'
    when tag = 'CC' then 'conjunction'
    when tag = 'CD' then 'number'
    when tag = 'MD' then 'modal'
    else 'other'
end;
