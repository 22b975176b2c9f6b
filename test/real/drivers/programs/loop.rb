# What the Ruby programs share: the line protocol of ../program.ts.
require 'json'

# Answers one line a verb until the input ends. The block: the server's error, nil for anything else.
def serve(version, verbs)
  $stdout.sync = true
  puts JSON.generate(version: version)
  while (line = $stdin.gets)
    name, *args = line.chomp.split("\t")
    begin
      answer = verbs.public_send(name, *args)
    rescue StandardError => e
      known = yield e
      answer = known ? { error: known } : { fault: "#{e.class}: #{e.message}" }
    end
    puts JSON.generate(answer)
  end
end
